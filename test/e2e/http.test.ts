import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cluster, eventually, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { runningTasks } from '../support/meshctl.ts'

const port = 18049
const url = (daemon: Daemon): string => `http://${daemon.address}:${port}/`

const addLabel = (node: Daemon, option: string): Promise<{ code: number; stderr: string }> =>
  node.meshctl('service', 'update', '--label-add', `mesh.ingress.${port}.${option}`, 'web')

describe('a service whose port speaks HTTP, on three nodes', () => {
  const cluster = new Cluster('127.0.49')
  const nodes: Daemon[] = []
  const first = (): Daemon => nodes[0] as Daemon

  before(async () => {
    nodes.push(...(await cluster.startManagers(3)))
    const created = await first().meshctl(
      ...['service', 'create', '--name', 'web', '--replicas', '5', '--detach'],
      ...['--label', `mesh.ingress.${port}.protocol=http`, '--publish', `${port}:80`],
      'meshd/whoami',
    )
    assert.equal(created.code, 0, created.stderr)
    await eventually('five run', 30_000, async () => (await runningTasks(first(), 'web')) === 5)
    for (const node of nodes) {
      await eventually(`${node.address} answers`, 10_000, async () => {
        return (await get(url(node))).status === 200
      })
    }
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('requests reach tasks on all nodes, and say who asks', async () => {
    const seen = new Set<string>()
    for (let asked = 0; asked < 40; asked++) {
      const { status, facts } = await get(url(first()))
      assert.equal(status, 200)
      seen.add(facts['task'] ?? '')
      assert.equal(facts['x-forwarded-for'], '127.0.0.1')
      assert.match(facts['via'] ?? '', /^1\.1 mesh-\w+-18049$/)
    }
    assert.ok(seen.size >= 4, `only ${seen.size} tasks answered`)
  })

  test('labels that mean nothing are refused, and the nearest is named', async () => {
    const misspelt = await addLabel(first(), 'head-timout=3s')
    assert.equal(misspelt.code, 1)
    assert.match(misspelt.stderr, /did you mean mesh\.ingress\.18049\.head-timeout\?/)
    assert.match((await addLabel(first(), 'max-head=1')).stderr, /must be 1k to 64k/)
    const set = await addLabel(first(), 'head-timeout=3s')
    assert.equal(set.code, 0, set.stderr)
  })
})
