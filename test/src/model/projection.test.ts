import assert from 'node:assert/strict'
import { test } from 'node:test'
import { project } from '../../../src/model/projection.ts'
import { ClusterTwin, idOf } from '../orchestrator/cluster-twin.ts'

test('credentials of a registry reach the nodes that pull with them, and no other', () => {
  const twin = new ClusterTwin()
  for (const name of ['n1', 'n2']) twin.addNode(name, { role: 'worker' })
  const ContainerSpec = { Image: 'a', PullOptions: { RegistryAuth: 'planted-auth' } }
  const Placement = { Constraints: ['node.hostname==n1'] }
  twin.addService('web', { TaskTemplate: { ContainerSpec, Placement } })
  twin.pass()
  const sees = (node: string): boolean =>
    JSON.stringify(project(twin.catalog, idOf(node))).includes('planted-auth')
  assert.deepEqual(
    twin.tasks.map(({ node }) => node),
    [idOf('n1')],
  )
  assert.deepEqual([sees('n1'), sees('n2')], [true, false])
})
