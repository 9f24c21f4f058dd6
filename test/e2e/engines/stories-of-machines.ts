import assert from 'node:assert/strict'
import { eventually, isUp } from '../../support/daemon.ts'
import type { Machine, Unserved } from '../../support/engine-stage.ts'
import { lines } from '../../support/meshctl.ts'
import { storiesOfFailingEngines } from './stories-of-failing-engines.ts'
import { Follower, starts } from './stories-of-logs.ts'
import {
  allContainers,
  becomes,
  idsOf,
  create,
  remove,
  servingAll,
  ok,
  patienceMs,
  port,
  running,
  spreads,
  stateOf,
  type Story,
} from './telling.ts'

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

/** Of `web`, which the stories after these find with three tasks. */
export const storiesOfWeb: readonly Story[] = [
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
]

/** Of machines that are taken away, and come back. */
export const storiesOfMachines: readonly Story[] = [
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
    name: 'a global service is on every machine; a paused one keeps what it has and gets nothing',
    async tell(stage) {
      const [first] = stage.machines
      await create(stage, 'all', ['--mode', 'global'])
      await spreads(stage, 'all', [1, 1, 1])
      await ok(first, 'node', 'update', '--availability', 'pause', 'n2')
      await create(stage, 'four', ['--replicas', '4'])
      await spreads(stage, 'four', [2, 0, 2])
      await spreads(stage, 'all', [1, 1, 1])
      await ok(first, 'node', 'update', '--availability', 'active', 'n2')
      await remove(stage, 'all', 'four')
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
  ...storiesOfFailingEngines,
  {
    name: 'a machine is lost: others take its tasks over, and whoever follows logs is told',
    async tell(stage) {
      const [first, second, third] = stage.machines
      const lateMs = 3000
      let lostMs = Infinity
      // When n3 was drained, `chat` went elsewhere.
      await ok(first, 'service', 'scale', 'chat=6')
      assert.ok((await running(stage, 'chat')).some(({ node }) => node === 'n3'))
      using follower = new Follower(first, 'chat')
      await follower.shows(/@n3 .*tick/)
      const startedMs = performance.now()
      const unserved = await stage.amongVisitors(port, [first, second], async () => {
        await stage.cutPower(third)
        lostMs = performance.now() - startedMs
        await spreads(stage, 'web', [3, 3, 0])
      })
      assert.deepEqual(unserved.filter(isLate(lostMs + lateMs)), [])
      assert.equal(await stateOf(stage, 'n3'), 'down')
      await follower.warns(/meshd: node n3 cannot be reached: its log lines are missing$/m)
      await follower.goesOn()
      for (const slot of [1, 2, 3]) await follower.shows(new RegExp(`chat\\.${slot}\\.\\w+@n[12] `))
      follower.assertNoEcho()
      const logs = await second.daemon.meshctl('service', 'logs', '--raw', 'chat')
      assert.equal(logs.code, 0, logs.stderr)
      assert.match(logs.stderr, /^meshd: node n3 cannot be reached: its log lines are missing$/m)
      assert.ok(starts(logs.stdout).length >= 2, logs.stdout)
    },
  },
  {
    name: 'what happened is told by every manager that lived through it, a restart too',
    async tell(stage) {
      const [first, second] = stage.machines
      const ofService = ['--filter', 'type=service', '--filter', 'event=create']
      const created = await told(second, ...ofService)
      await second.daemon.stop()
      second.daemon.start()
      await isUp(second.daemon)
      for (const machine of [first, second]) {
        const all = (await told(machine)).join('\n')
        assert.match(all, /service create .*name=web/)
        assert.match(all, /service update .*name=web.*replicas\.new=6, replicas\.old=3/)
        assert.match(all, /service update .*name=web.*updatestate\.new=rollback_completed/)
        assert.match(
          all,
          /node update .*availability\.new=drain.*name=n3|node update .*name=n3.*drain/,
        )
        assert.match(all, /node update .*name=n3.*state\.new=down/)
        assert.match(all, /task update .*name=web\.\d.*state\.new=running/)
        assert.match(all, /task update .*name=words\.1\..*reason=.*exit \(3\)/)
      }
      assert.deepEqual(await told(second, ...ofService), created)
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
      // Processes end with their daemon: after the restart of n2 all may be on n1.
      await ok(first, 'service', 'scale', 'web=0')
      await ok(first, 'service', 'scale', 'web=9')
      await spreads(stage, 'web', [3, 3, 3])
      assert.equal((await stage.visit(third, port)).status, 200)
      await ok(first, 'service', 'rm', 'web', 'chat')
      await eventually('nothing is left of anything', patienceMs, async () => {
        await stage.assertNothingLeft()
        return true
      })
    },
  },
  {
    name: 'a machine leaves for good, with all that it ran',
    async tell(stage) {
      const [first, , third] = stage.machines
      await create(stage, 'three', ['--replicas', '3'])
      await spreads(stage, 'three', [1, 1, 1])
      await ok(first, 'node', 'demote', 'n3')
      await becomes(stage, third, false)
      await ok(third, 'swarm', 'leave')
      await eventually('its tasks run elsewhere', patienceMs, async () => {
        const nodes = (await running(stage, 'three')).map(({ node }) => node)
        return nodes.length === 3 && !nodes.includes('n3')
      })
      if (third.engine !== null) assert.deepEqual(await stage.containers(third, 'three', 'all'), [])
      assert.equal(await stateOf(stage, 'n3'), 'down')
      await ok(first, 'node', 'rm', 'n3')
      assert.doesNotMatch(await ok(first, 'node', 'ls'), / n3 /)
      await remove(stage, 'three')
    },
  },
]

const told = ({ daemon }: Machine, ...flags: string[]): Promise<string[]> =>
  lines(daemon, 'events', '--since', '1h', '--until', '0s', ...flags)

const isLate =
  (sinceMs: number) =>
  ({ atMs }: Unserved): boolean =>
    atMs > sinceMs
