import assert from 'node:assert/strict'
import { eventually, isUp, type Output } from '../support/daemon.ts'
import type { EngineStage, Machine, Unserved } from '../support/engine-stage.ts'
import { lines } from '../support/meshctl.ts'
import { farewell, storiesOfRules } from './engines-stories-of-rules.ts'
import {
  allContainers,
  becomes,
  idsOf,
  nodeOf,
  ok,
  patienceMs,
  port,
  running,
  spreads,
  stateOf,
  type Story,
} from './engines-telling.ts'

/** Nobody who came to any machine meanwhile was turned away. */
async function servingAll(stage: EngineStage, happens: () => Promise<void>): Promise<void> {
  assert.deepEqual(await stage.amongVisitors(port, stage.machines, happens), [])
}

function updatedUnderVisitors(order: string): Story {
  return {
    name: `an update, ${order}, replaces every task and turns nobody away`,
    async tell(stage) {
      const [first] = stage.machines
      const before = idsOf(await running(stage, 'web'))
      await servingAll(stage, async () => {
        await ok(first, 'service', 'update', '--update-order', order, '--force', 'web')
      })
      const after = idsOf(await running(stage, 'web'))
      assert.equal(after.length, 3)
      assert.deepEqual(
        after.filter((id) => before.includes(id)),
        [],
      )
      await spreads(stage, 'web', [1, 1, 1])
    },
  }
}

const script =
  'echo "start $MESH_SLOT"; n=0; while :; do n=$((n+1)); echo "tick $n"; sleep 0.2; done'

/** A shell that is the first of its machine's processes hears no other signal. */
const talking = ['--stop-signal', 'SIGKILL', '--replicas', '3']

/** Lines that tasks begin with, of whatever is around them. */
const starts = (text: string): readonly string[] =>
  [...text.matchAll(/start \d/g)].map(([start]) => start).sort()

/** Until everybody sees whether its engine answers. */
const showsEngine = (stage: EngineStage, name: string, isSilent: boolean): Promise<void> =>
  eventually(`${name} shows how its engine is`, patienceMs, async () => {
    const { Status } = await nodeOf(stage, name)
    return (Status.Message ?? '').includes('does not answer') === isSilent
  })

export const stories: readonly Story[] = [
  {
    name: 'a service is created, answers on every machine, and is scaled up and down',
    async tell(stage) {
      const [first, second, third] = stage.machines
      await ok(
        first,
        ...['service', 'create', '--name', 'web', '--replicas', '3', '-p', `${port}:80`],
        ...['--label', 'mesh.drain=2s', '--update-monitor', '1s', '--rollback-monitor', '1s'],
        ...['--stop-signal', 'SIGKILL', '--restart-delay', '500ms', ...stage.web],
      )
      await spreads(stage, 'web', [1, 1, 1])
      for (const machine of stage.machines) {
        const answering = new Set<string>()
        await eventually(`all three tasks answer on ${machine.name}`, patienceMs, async () => {
          answering.add((await stage.visit(machine, port)).by)
          return answering.size === 3
        })
      }
      await servingAll(stage, async () => {
        await ok(second, 'service', 'scale', 'web=6')
        await spreads(stage, 'web', [2, 2, 2])
        await ok(third, 'service', 'scale', 'web=3')
        await spreads(stage, 'web', [1, 1, 1])
      })
    },
  },
  updatedUnderVisitors('start-first'),
  updatedUnderVisitors('stop-first'),
  {
    name: 'a failing update is rolled back, says why, and turns nobody away',
    async tell(stage) {
      const [, second] = stage.machines
      await servingAll(stage, async () => {
        const failing = ['--update-failure-action', 'rollback', '--entrypoint', '/no/such/program']
        const { code, stderr } = await second.daemon.meshctl('service', 'update', ...failing, 'web')
        assert.equal(code, 7, stderr)
        assert.match(stderr, /rolled back due to failure or early termination of task/)
      })
      await spreads(stage, 'web', [1, 1, 1])
      const history = await ok(second, 'service', 'ps', '--no-trunc', 'web')
      assert.match(history, / \\_ web\.\d .*(Failed|Rejected) .*no\/such\/program/)
    },
  },
  {
    name: 'a machine is drained and comes back; what comes anew goes there',
    async tell(stage) {
      const [first, , third] = stage.machines
      await servingAll(stage, async () => {
        await ok(first, 'node', 'update', '--availability', 'drain', 'n3')
        await eventually('nothing runs on n3', patienceMs, async () => {
          const tasks = await running(stage, 'web')
          return tasks.length === 3 && tasks.every(({ node }) => node !== 'n3')
        })
        if (third.engine !== null) {
          await eventually('nor has its engine a container', patienceMs, async () => {
            return (await stage.containers(third, 'web')).length === 0
          })
        }
        await ok(first, 'node', 'update', '--availability', 'active', 'n3')
        await ok(first, 'service', 'scale', 'web=6')
      })
      await spreads(stage, 'web', [2, 2, 2])
    },
  },
  {
    name: 'a manager becomes a worker and a manager again; its tasks notice nothing',
    async tell(stage) {
      const [first, , third] = stage.machines
      const before = idsOf(await running(stage, 'web'))
      await servingAll(stage, async () => {
        await ok(first, 'node', 'demote', 'n3')
        await becomes(stage, third, false)
        await ok(first, 'node', 'promote', 'n3')
        await becomes(stage, third, true)
      })
      assert.deepEqual(idsOf(await running(stage, 'web')), before)
    },
  },
  {
    name: 'a daemon is killed; the next one takes its containers over as they are',
    only: 'docker',
    async tell(stage) {
      const [, { daemon }] = stage.machines
      const before = await allContainers(stage, 'web')
      await servingAll(stage, async () => {
        await daemon.killDaemon()
        daemon.start()
        await isUp(daemon)
        await spreads(stage, 'web', [2, 2, 2])
      })
      assert.deepEqual(await allContainers(stage, 'web'), before)
      assert.equal(await stateOf(stage, 'n2'), 'ready')
    },
  },
  {
    name: 'an engine crashes: its machine says so, gets nothing new and goes on serving',
    only: 'docker',
    async tell(stage) {
      const [first, second] = stage.machines
      const { engine } = second
      assert.ok(engine)
      const before = await allContainers(stage, 'web')
      await servingAll(stage, async () => {
        await engine.crash()
        await showsEngine(stage, 'n2', true)
        await ok(first, 'service', 'scale', 'web=8')
        const nodes = (await running(stage, 'web')).map(({ node }) => node).sort()
        assert.deepEqual(nodes, ['n1', 'n1', 'n1', 'n2', 'n2', 'n3', 'n3', 'n3'])
        await engine.restart()
        await showsEngine(stage, 'n2', false)
        await ok(first, 'service', 'scale', 'web=9')
      })
      await spreads(stage, 'web', [3, 3, 3])
      const after = await allContainers(stage, 'web')
      assert.deepEqual(
        before.filter((id) => !after.includes(id)),
        [],
      )
      await ok(first, 'service', 'scale', 'web=6')
      await spreads(stage, 'web', [2, 2, 2])
    },
  },
  {
    name: "docker's own CLI works on a manager that does not lead",
    isByDocker: true,
    async tell(stage) {
      const follower = await followerOf(stage)
      const docker = async (...words: string[]): Promise<string> => {
        const { code, stdout, stderr } = await follower.daemon.docker(...words)
        assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
        return stdout
      }
      assert.match(await docker('node', 'ls'), /n1 +Ready[\s\S]*n2 +Ready[\s\S]*n3 +Ready/)
      const flags = ['--quiet', '--no-resolve-image', '--update-monitor', '1s', '--name', 'cli']
      await docker('service', 'create', ...flags, ...talking, 'busybox:latest', 'sh', '-c', script)
      assert.match(await docker('service', 'ls'), /cli +replicated +3\/3 +busybox:latest/)
      const update = ['--quiet', '--no-resolve-image', '--label-add', 'a=b', '--replicas', '4']
      await docker('service', 'update', ...update, 'cli')
      assert.match(await docker('service', 'ps', 'cli'), /cli\.4 .* Running /)
      await docker('service', 'rollback', '--quiet', 'cli')
      assert.match(await docker('service', 'ls'), /cli +replicated +3\/3 /)
      assert.match(await docker('node', 'ps', 'n1', 'n2', 'n3'), /cli\.\d/)
      const said = starts(await docker('service', 'logs', 'cli'))
      for (const slot of [1, 2, 3]) assert.ok(said.includes(`start ${slot}`), said.join())
      await docker('service', 'rm', 'cli')
    },
  },
  {
    name: 'what all machines printed is merged in the order of time',
    async tell(stage) {
      const [first] = stage.machines
      const flags = ['--no-resolve-image', '--update-monitor', '1s', '--name', 'chat']
      await ok(first, 'service', 'create', ...flags, ...talking, 'busybox', 'sh', '-c', script)
      for (const { daemon } of stage.machines) {
        const words = ['service', 'logs', '--raw', '--timestamps', 'chat']
        const { code, stdout, stderr } = await daemon.meshctl(...words)
        assert.equal(code, 0, stderr)
        assert.equal(stderr, '')
        const times = stdout.match(/^\S+/gm) ?? []
        assert.deepEqual(times, times.toSorted())
        for (const slot of [1, 2, 3]) assert.match(stdout, new RegExp(`Z start ${slot}\n`))
      }
    },
  },
  ...storiesOfRules,
  {
    name: 'a machine is lost: others take its tasks over, and the rest goes on',
    async tell(stage) {
      const [first, second, third] = stage.machines
      const lateMs = 3000
      let lostMs = Infinity
      const startedMs = performance.now()
      const unserved = await stage.amongVisitors(port, [first, second], async () => {
        await stage.cutPower(third)
        lostMs = performance.now() - startedMs
        await spreads(stage, 'web', [3, 3, 0])
      })
      assert.deepEqual(unserved.filter(isLate(lostMs + lateMs)), [])
      assert.equal(await stateOf(stage, 'n3'), 'down')
      const logs: Output = await second.daemon.meshctl('service', 'logs', '--raw', 'chat')
      assert.equal(logs.code, 0, logs.stderr)
      assert.match(logs.stderr, /^meshd: node n3 cannot be reached: its log lines are missing$/m)
      assert.ok(starts(logs.stdout).length >= 2, logs.stdout)
    },
  },
  {
    name: 'what happened is told by every manager that lived through it',
    async tell(stage) {
      const [first, second] = stage.machines
      for (const { daemon } of [first, second]) {
        const all = (await lines(daemon, 'events', '--since', '1h', '--until', '0s')).join('\n')
        assert.match(all, /service create .*name=web/)
        assert.match(all, /service update .*name=web.*replicas\.new=6, replicas\.old=3/)
        assert.match(all, /service update .*name=web.*updatestate\.new=rollback_completed/)
        assert.match(
          all,
          /node update .*availability\.new=drain.*name=n3|node update .*name=n3.*drain/,
        )
        assert.match(all, /node update .*name=n3.*state\.new=down/)
        assert.match(all, /task update .*name=web\.\d.*state\.new=running/)
      }
    },
  },
  {
    name: 'the lost machine returns, without what it ran before, and takes work again',
    async tell(stage) {
      const [first, , third] = stage.machines
      await stage.powerOn(third)
      await eventually('n3 is ready', patienceMs, async () => {
        return (await stateOf(stage, 'n3')) === 'ready'
      })
      await ok(first, 'service', 'scale', 'web=9')
      await spreads(stage, 'web', [3, 3, 3])
      assert.equal((await stage.visit(third, port)).status, 200)
      await ok(first, 'service', 'rm', 'web', 'chat')
      if (third.engine === null) return
      for (const machine of stage.machines) {
        await eventually(`nothing is left on ${machine.name}`, patienceMs, async () => {
          return (await machine.engine?.docker('ps', '-aq')) === ''
        })
      }
    },
  },
  farewell,
]

const isLate =
  (sinceMs: number) =>
  ({ atMs }: Unserved): boolean =>
    atMs > sinceMs

async function followerOf({ machines }: EngineStage): Promise<Machine> {
  const format = '{{.Hostname}} {{.ManagerStatus}}'
  const rows = await lines(machines[0].daemon, 'node', 'ls', '--format', format)
  const follower = machines.find(({ name }) => rows.includes(`${name} Reachable`))
  assert.ok(follower, rows.join())
  return follower
}
