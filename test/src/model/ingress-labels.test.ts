import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMeshLabels } from '../../../src/model/ingress-labels.ts'

test('options are read per published port, and the drain time', () => {
  const read = parseMeshLabels({
    'com.example.team': 'a',
    'mesh.drain': '1m30s',
    'mesh.ingress.8080.prefer': 'local',
    'mesh.ingress.8080.proxy-protocol': 'v2',
    'mesh.ingress.8080.protocol': 'tcp',
    'mesh.ingress.9090.proxy-protocol': 'v1',
  })
  assert.deepEqual(read.problems, [])
  assert.equal(read.drainMs, 90_000)
  assert.deepEqual(read.ingress.get(8080), { prefer: 'local', proxyProtocol: 'v2' })
  assert.deepEqual(read.ingress.get(9090), { prefer: 'any', proxyProtocol: 'v1' })
})

test('labels of others are none of ours', () => {
  const read = parseMeshLabels({ meshy: 'x', 'com.mesh.ingress': 'y', 'traefik.enable': 'true' })
  assert.deepEqual(read, {
    ingress: new Map(),
    drainMs: null,
    updateDeadlineMs: null,
    problems: [],
  })
})

const notYet = [
  ['mesh.ingress.80.protocol', 'http'],
  ['mesh.ingress.80.balance', 'round-robin'],
  ['mesh.ingress.80.listen', '10.0.0.1'],
  ['mesh.ingress.80.trust', '10.0.0.0/8'],
  ['mesh.ingress.80.idle-timeout', '5m'],
] as const

for (const [label, value] of notYet) {
  test(`${label}=${value} has no effect yet, and that is said`, () => {
    const [problem] = parseMeshLabels({ [label]: value }).problems
    assert.equal(problem?.kind, 'not-yet')
    assert.equal(problem?.text, `${label}=${value}: has no effect yet`)
  })
}

const wrong = [
  ['mesh.ingress.80.prefr', 'local', 'unknown', 'mesh.ingress.80.prefer?'],
  ['mesh.ingres.80.prefer', 'local', 'unknown', 'mesh.ingress.80.prefer?'],
  ['mesh.ingress.80.proxyprotocol', 'v2', 'unknown', 'mesh.ingress.80.proxy-protocol?'],
  ['mesh.ingress.80', 'x', 'unknown', 'mesh.ingress.80.'],
  ['mesh.ingress.070.prefer', 'local', 'unknown', 'prefer?'],
  ['mesh.ingress.99999.prefer', 'local', 'unknown', 'prefer?'],
  ['mesh.ingress.web.prefer', 'local', 'unknown', 'mesh.ingress.<published port>.prefer?'],
  ['mesh.ingress.80.toString', 'x', 'unknown', 'mesh.ingress.80.'],
  ['mesh.drian', '5s', 'unknown', 'mesh.drain?'],
  ['mesh.', '', 'unknown', 'mesh.drain?'],
  ['mesh.drain', '5', 'malformed', 'a duration such as 10s'],
  ['mesh.drain', '-5s', 'malformed', 'a duration such as 10s'],
  ['mesh.ingress.80.prefer', 'locl', 'malformed', 'mesh.ingress.80.prefer=local?'],
  ['mesh.ingress.80.proxy-protocol', '2', 'malformed', 'v1 or v2'],
  ['mesh.ingress.80.proxy-protocol', 'none', 'malformed', 'v1 or v2'],
  ['mesh.ingress.80.protocol', 'TCP', 'malformed', 'tcp'],
] as const

for (const [label, value, kind, words] of wrong) {
  test(`${label}=${value} is ${kind}, and the nearest valid one is named`, () => {
    const read = parseMeshLabels({ [label]: value })
    assert.equal(read.problems.length, 1)
    assert.equal(read.problems[0]?.kind, kind)
    assert.equal(read.problems[0]?.label, label)
    assert.ok(read.problems[0]?.text.includes(words), read.problems[0]?.text)
    assert.equal(read.drainMs, null)
    assert.equal(read.ingress.size, 0)
  })
}
