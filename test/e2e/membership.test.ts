import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster, eventually, isUp, type Daemon } from '../support/daemon.ts'
import { get, getOver, type Answer } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'
import { NamespaceSockets } from '../support/namespace-sockets.ts'
import { Lan, namespacesUnavailable } from '../support/namespaces.ts'

const port = 18052

const answers = ({ address }: Daemon): Promise<Answer> => get(`http://${address}:${port}`)
const isServed = async (daemon: Daemon): Promise<boolean> => (await answers(daemon)).status === 200

async function createWeb(manager: Daemon, ...flags: string[]): Promise<void> {
  const words = ['service', 'create', '--name', 'web', '--publish', `${port}:80`]
  const { code, stderr } = await manager.meshctl(...words, ...flags, 'meshd/whoami')
  assert.equal(code, 0, stderr)
}

test('workers go on without a manager, through a restart and the loss of another worker', async () => {
  await using cluster = new Cluster('127.0.52')
  const manager = await cluster.startNode('manager')
  const second = await cluster.startNode('worker')
  await cluster.startNode('worker')
  const fourth = await cluster.startNode('worker')
  await createWeb(manager, '--mode', 'global', '--constraint', 'node.role==worker')
  await eventually('all workers serve', 20_000, async () => {
    return (await runningTasks(manager, 'web')) === 3 && (await isServed(fourth))
  })
  // What they know is on their disks by then.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  await manager.killNode()

  await second.stop()
  second.start()
  await isUp(second)
  await eventually('the restarted worker serves from what it knew', 30_000, () => isServed(second))
  const tasks = new Set<string | undefined>()
  // Its own task was a process and ended with its daemon: only a manager would replace it.
  await eventually('through it, the tasks of the others are reached', 20_000, async () => {
    tasks.add((await answers(second)).facts['task'])
    return tasks.size === 2
  })

  await fourth.killNode()
  await eventually('a lost worker leaves the routes', 20_000, async () => {
    const seen = new Set<string | undefined>()
    for (let time = 0; time < 10; time++) {
      const { status, facts } = await answers(second)
      assert.equal(status, 200)
      seen.add(facts['task'])
    }
    return seen.size === 1
  })
})

const block = '198.18.52'
const skip = namespacesUnavailable() ?? false

test(
  'a task that was replaced during a partition stops, and is never asked again',
  { skip },
  async () => {
    await using scope = new AsyncDisposableStack()
    const lan = scope.use(new Lan('fence', [[`${block}.1`], [`${block}.2`], [`${block}.3`]]))
    const cluster = scope.use(new Cluster(block))
    const [first] = lan.hosts
    assert.ok(first !== undefined)
    const visitor = scope.use(new NamespaceSockets(first.prefix))
    for (const [at, { prefix }] of lan.hosts.entries()) {
      await cluster.startNode(at === 0 ? 'manager' : 'worker', { prefix })
    }
    const [manager] = cluster.daemons
    assert.ok(manager !== undefined)
    const ask = async (): Promise<string | undefined> => {
      const socket = await visitor.connect({ from: `${block}.1`, host: `${block}.1`, port })
      const { status, facts } = await getOver(socket, {})
      assert.equal(status, 200)
      return facts['task']
    }
    await createWeb(manager, '--constraint', 'node.role==worker')
    await eventually('it is served', 20_000, async () => (await ask()) !== undefined)
    const before = await ask()
    const [node = ''] = await lines(manager, 'service', 'ps', 'web', '--format', '{{.Node}}')
    const number = Number(node.slice(1))
    assert.ok(number === 2 || number === 3, node)

    lan.setPlugged(number, false)
    await eventually('another worker runs it', 40_000, async () => (await ask()) !== before)
    const after = await ask()
    lan.setPlugged(number, true)
    const asked = new Set<string | undefined>()
    await eventually('the old one is known to have stopped', 30_000, async () => {
      asked.add(await ask())
      const format = ['--no-trunc', '--format', '{{.ID}} {{.CurrentState}}']
      const states = await lines(manager, 'service', 'ps', 'web', ...format)
      const old = states.find((line) => before !== undefined && line.startsWith(before))
      return old === undefined || /shutdown/i.test(old)
    })
    for (let time = 0; time < 20; time++) asked.add(await ask())
    assert.deepEqual([...asked], [after])
  },
)
