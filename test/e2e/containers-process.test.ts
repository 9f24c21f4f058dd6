import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cluster, type Daemon, eventually } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { lines } from '../support/meshctl.ts'

const port = 18_081

describe('containers that are plain processes', () => {
  let cluster: Cluster
  let node: Daemon

  before(async () => {
    cluster = new Cluster('127.0.47')
    node = await cluster.startNode('manager')
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  async function create(name: string, ...words: string[]): Promise<void> {
    const { code, stderr } = await node.meshctl('service', 'create', '-d', '--name', name, ...words)
    assert.equal(code, 0, stderr)
  }
  const rows = (service: string): Promise<string[]> =>
    lines(node, 'service', 'ps', '--no-trunc', service, '--format', '{{.CurrentState}} {{.Error}}')
  const says = (service: string, pattern: RegExp): Promise<void> =>
    eventually(`${service} says ${pattern}`, 20_000, async () => {
      const found = await rows(service)
      if (found.some((row) => pattern.test(row))) return true
      throw new Error(found.join('\n'))
    })

  test('a host-mode port is the PORT that the process is told', async () => {
    await create('host', '-p', `mode=host,published=${port + 2},target=80`, 'meshd/whoami')
    await eventually('it answers', 20_000, async () => {
      return (await get(`http://${node.address}:${port + 2}/`)).status === 200
    })
    await create('two', '-p', `mode=host,published=${port + 2},target=80`, 'meshd/whoami')
    await says('two', new RegExp(`^Pending.*host-mode port ${port + 2}/tcp already in use`))
  })

  test('a health check gates running, and an unhealthy process is replaced', async () => {
    const flags = ['--health-cmd', 'test -e well', '--health-interval', '100ms']
    flags.push('--health-retries', '3', '--health-start-period', '20s', '--restart-delay', '100ms')
    flags.push('--health-start-interval', '100ms', '--workdir', cluster.dir)
    await create('well', ...flags, 'any', 'sleep', '600')
    await says('well', /^Starting/)
    writeFileSync(join(cluster.dir, 'well'), '')
    await says('well', /^Running/)
    rmSync(join(cluster.dir, 'well'))
    await says('well', /^Failed.*unhealthy container/)
    await says('well', /^Starting/)
  })

  test('a service that needs a container waits for a node that has them', async () => {
    await create('mounts', '--mount', 'type=tmpfs,target=/x', 'any', 'sleep', '600')
    await says('mounts', /^Pending.*runtime process has no Mounts/)
  })
})
