import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, eventually, joinLine, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'

async function ok(daemon: Daemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** Name → what `node ls` says of its part in Raft; empty for a worker. */
async function managers(daemon: Daemon): Promise<Record<string, string>> {
  const out = await ok(daemon, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')
  return Object.fromEntries(out.split('\n').map((line) => line.split(' ') as [string, string]))
}

const isManager = async (daemon: Daemon): Promise<boolean> =>
  (await ok(daemon, 'info', '--format', '{{.Swarm.ControlAvailable}}')) === 'true'

const tasksOf = async (daemon: Daemon): Promise<string> =>
  ok(daemon, 'service', 'ps', 'web', '-f', 'desired-state=running', '--format', '{{.ID}} {{.Node}}')

/** Asks every node's published port again and again; tells how many answers there were, and faults. */
class Traffic implements AsyncDisposable {
  readonly faults: string[] = []
  answers = 0
  #isOver = false
  readonly #loops: Promise<void>[]

  constructor(addresses: readonly string[]) {
    this.#loops = addresses.map((address) => this.#ask(address))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  async #ask(address: string): Promise<void> {
    while (!this.#isOver) {
      try {
        const { status } = await get(`http://${address}:8080/`)
        if (status === 200) this.answers++
        else this.faults.push(`${address}: ${status}`)
      } catch (error) {
        this.faults.push(`${address}: ${String(error)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }
}

const createWeb = (node: Daemon): Promise<string> =>
  ok(node, ...'service create --name web --replicas 3 -p 8080:80 meshd/whoami'.split(' '))

test('nodes change their roles under traffic, and keep their tasks', async () => {
  await using cluster = new Cluster('127.0.43')
  const n1 = await cluster.startNode('manager')
  const n2 = await cluster.startNode('worker')
  const n3 = await cluster.startNode('worker')
  await createWeb(n1)
  const tasks = await tasksOf(n1)
  await using traffic = new Traffic([n1, n2, n3].map(({ address }) => address))

  assert.match(await ok(n1, 'node', 'promote', 'n2', 'n3'), /n2 promoted to a manager/)
  for (const node of [n2, n3]) {
    await eventually(`${node.options.name} is a manager`, 20_000, () => isManager(node))
  }
  assert.deepEqual(await managers(n2), { n1: 'Leader', n2: 'Reachable', n3: 'Reachable' })

  const refused = await n1.meshctl('node', 'rm', '-f', 'n2')
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /node demote n2/)

  assert.match(await ok(n1, 'node', 'demote', 'n1'), /n1 demoted/)
  await eventually('the leader became a worker', 20_000, async () => !(await isManager(n1)))
  await eventually('another leads', 10_000, async () => {
    const { n1: first, ...others } = await managers(n2)
    return first === '' && Object.values(others).includes('Leader')
  })
  await ok(n2, 'node', 'update', '--label-add', 'zone=a', 'n1')
  assert.equal(await ok(n2, 'node', 'inspect', 'n1', '--format', '{{.Spec.Labels.zone}}'), 'a')

  await ok(n2, 'node', 'demote', 'n3')
  await eventually('n3 is a worker', 20_000, async () => !(await isManager(n3)))
  const last = await n2.meshctl('node', 'demote', 'n2')
  assert.equal(last.code, 4, last.stderr)
  assert.match(last.stderr, /last manager/)
  await ok(n2, 'node', 'promote', 'n1')
  await eventually('it is a manager again', 20_000, () => isManager(n1))
  await traffic[Symbol.asyncDispose]()
  assert.deepEqual(traffic.faults, [])
  assert.ok(traffic.answers > 100)
  assert.equal(await tasksOf(n1), tasks, 'no task was touched')
})

test('nodes leave and are removed; their tasks go elsewhere', async () => {
  await using cluster = new Cluster('127.0.43')
  const n1 = await cluster.startNode('manager')
  const n2 = await cluster.startNode('worker')
  const n3 = await cluster.startNode('worker')
  await createWeb(n1)
  const line = await joinLine(n1, 'worker')

  const early = await n1.meshctl('node', 'rm', 'n2')
  assert.equal(early.code, 4)
  assert.match(early.stderr, /not down/)
  await ok(n2, 'swarm', 'leave')
  await n2.exited()
  assert.equal(n2.exitCode, 0, n2.log().slice(-1000))
  const identity = join(n2.options.dir, 'data/identity.json')
  assert.equal(existsSync(identity), false, 'nothing of the cluster stays')
  const stateOf = (name: string) => ok(n1, 'node', 'inspect', name, '--format', '{{.Status.State}}')
  await eventually('it is down', 10_000, async () => (await stateOf('n2')) === 'down')
  await ok(n1, 'node', 'rm', 'n2')
  n2.start(line)
  await eventually('it is back as a new node', 20_000, async () =>
    (await ok(n1, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}')).includes('n2 Ready'),
  )

  await ok(n1, 'node', 'rm', '--force', 'n3')
  await eventually('the removed one ended', 30_000, () => !n3.isRunning)
  assert.equal(n3.exitCode, 1)
  assert.match(n3.log(), /error: this node was removed from its cluster/)
  await eventually('its task runs elsewhere', 20_000, async () => {
    const lines = (await tasksOf(n1)).split('\n')
    return lines.length === 3 && lines.every((task) => !task.endsWith('n3'))
  })
  const state = await n3.meshctl('info')
  assert.equal(state.code, 5, 'nobody answers there')
})

test('a manager leaves only by force, and then in order', async () => {
  await using cluster = new Cluster('127.0.43')
  const [n1, n2, n3] = await cluster.startManagers(3)
  assert.ok(n1 !== undefined && n2 !== undefined && n3 !== undefined)
  await eventually('all are there', 10_000, async () =>
    Object.values(await managers(n1)).every((status) => status !== ''),
  )
  const refused = await n1.meshctl('swarm', 'leave')
  assert.equal(refused.code, 5)
  assert.match(refused.stderr, /of the 2 managers that stay 2 must agree, and 2 can be reached/)
  await ok(n1, 'swarm', 'leave', '--force')
  await n1.exited()
  assert.equal(n1.exitCode, 0, n1.log().slice(-1000))
  await eventually('the others lead on', 10_000, async () => {
    const { n1: former, ...others } = await managers(n2)
    return former === '' && Object.values(others).includes('Leader')
  })
  await ok(n3, 'node', 'update', '--availability', 'drain', 'n2')
  await eventually('it can be removed', 10_000, async () => {
    const { code } = await n2.meshctl('node', 'rm', 'n1')
    return code === 0
  })
  // Two managers, none lost: one may still be demoted, as Raft counts on both until it is.
  await ok(n2, 'node', 'demote', 'n3')
  await eventually('one is left', 20_000, async () => !(await isManager(n3)))
  await ok(n2, 'node', 'update', '--availability', 'active', 'n2')
})
