import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeView, type NodeView } from '../../../src/model/node-view.ts'
import {
  constraintProblem,
  parseConstraint,
  satisfies,
} from '../../../src/orchestrator/constraint.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

function theNode(): NodeView {
  const twin = new ClusterTwin()
  twin.addNode('n1', { role: 'manager', labels: { zone: 'A1', Rack: 'r' } })
  twin.patchNode('n1', (node) => ({
    ...node,
    Description: {
      ...node.Description,
      Engine: { EngineVersion: '28', Labels: { disk: 'ssd' } },
    },
    Status: { ...node.Status, Addr: '10.1.2.3' },
  }))
  const object = twin.catalog.get('node', idOf('n1'))
  assert.ok(object !== undefined)
  return nodeView(object)
}

const table: readonly (readonly [text: string, holds: boolean])[] = [
  [`node.id==${idOf('n1')}`, true],
  ['node.id!=other', true],
  ['node.hostname==n1', true],
  ['node.hostname == N1', true],
  ['NODE.HostName==n1', true],
  ['node.hostname!=n1', false],
  ['node.role==manager', true],
  ['node.role==worker', false],
  ['node.platform.os==Linux', true],
  ['node.platform.arch==amd64', true],
  ['node.platform.arch==x86_64', true],
  ['node.platform.arch!=arm64', true],
  ['node.labels.zone==a1', true],
  ['node.labels.zone!=a1', false],
  ['node.labels.Zone==a1', false],
  ['node.labels.Rack==r', true],
  ['node.labels.missing==a', false],
  ['node.labels.missing!=a', true],
  ['node.labels.toString!=a', true],
  ['engine.labels.disk==ssd', true],
  ['engine.labels.disk==hdd', false],
  ['node.ip==10.1.2.3', true],
  ['node.ip==10.1.0.0/16', true],
  ['node.ip!=10.1.0.0/16', false],
  ['node.ip==10.2.0.0/16', false],
  ['node.ip==fe80::/10', false],
  ['node.ip==nonsense', false],
  ['node.colour==blue', false],
  ['node.colour!=blue', false],
]

for (const [text, holds] of table) {
  test(`${text} ${holds ? 'holds' : 'does not hold'}`, () => {
    const constraint = parseConstraint(text)
    assert.ok(constraint !== null)
    assert.equal(satisfies(theNode(), constraint), holds)
  })
}

for (const text of [
  '',
  'node.id',
  'node.id=x',
  '==x',
  'node.id==',
  '9x==y',
  'node.id==a,b',
  '-a!=b',
]) {
  test(`${JSON.stringify(text)} is no constraint, and says what one looks like`, () => {
    assert.equal(parseConstraint(text), null)
    assert.match(constraintProblem(text) ?? '', /key==value or key!=value/)
  })
}
