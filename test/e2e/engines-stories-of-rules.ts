import assert from 'node:assert/strict'
import { eventually } from '../support/daemon.ts'
import type { EngineStage } from '../support/engine-stage.ts'
import { lines } from '../support/meshctl.ts'
import {
  becomes,
  ok,
  patienceMs,
  running,
  spreads,
  stateOf,
  type Story,
} from './engines-telling.ts'

/** A task that does nothing, and of which nothing is asked when it is to stop. */
const idle = ['busybox', 'sleep', '1000']
const hasty = ['--no-resolve-image', '--stop-signal', 'SIGKILL', '--update-monitor', '500ms']

/** Made without waiting, for not all of these ever converge. */
const create = (stage: EngineStage, name: string, flags: readonly string[], words = idle) =>
  ok(stage.machines[0], 'service', 'create', '-d', '--name', name, ...hasty, ...flags, ...words)

const remove = (stage: EngineStage, ...names: string[]) =>
  ok(stage.machines[0], 'service', 'rm', ...names)

/** Until its tasks, each with what became of it, are as `check` wants them. */
function tells(stage: EngineStage, name: string, check: RegExp): Promise<void> {
  return eventually(`service ps ${name} tells ${check}`, patienceMs, async () => {
    assert.match(await ok(stage.machines[0], 'service', 'ps', '--no-trunc', name), check)
    return true
  })
}

const labelled = (stage: EngineStage, flag: 'add' | 'rm', label: string, node: string) =>
  ok(stage.machines[0], 'node', 'update', `--label-${flag}`, label, node)

/** Where services are placed, when they are started again, and who decides: any machine will do. */
export const storiesOfRules: readonly Story[] = [
  {
    name: 'a constraint is kept while labels come, move and go',
    async tell(stage) {
      await create(stage, 'picky', ['--replicas', '2', '--constraint', 'node.labels.disk==ssd'])
      await tells(stage, 'picky', /no suitable node .*constraint node\.labels\.disk==ssd/)
      await labelled(stage, 'add', 'disk=ssd', 'n2')
      await spreads(stage, 'picky', [0, 2, 0])
      await labelled(stage, 'add', 'disk=ssd', 'n3')
      await labelled(stage, 'rm', 'disk', 'n2')
      await spreads(stage, 'picky', [0, 0, 2])
      await tells(stage, 'picky', /Rejected .*assigned node no longer meets constraints/)
      await labelled(stage, 'rm', 'disk', 'n3')
      await spreads(stage, 'picky', [0, 0, 0])
      await remove(stage, 'picky')
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
    name: 'no machine takes more replicas than it may, or a port of its own twice',
    async tell(stage) {
      const flags = ['--replicas', '4', '--replicas-max-per-node', '1']
      await create(stage, 'few', flags)
      await spreads(stage, 'few', [1, 1, 1])
      await tells(stage, 'few', /no suitable node .*max replicas/)
      await create(stage, 'own', ['--replicas', '4', '-p', 'mode=host,published=18090,target=80'])
      await spreads(stage, 'own', [1, 1, 1])
      await tells(stage, 'own', /no suitable node .*18090/)
      await remove(stage, 'few', 'own')
    },
  },
  {
    name: 'tasks that end are started again as their policy says, and no more often',
    async tell(stage) {
      const fails = ['busybox', 'sh', '-c', 'exit 3']
      const twice = ['--restart-condition', 'on-failure', '--restart-max-attempts', '1']
      await create(stage, 'failing', [...twice, '--restart-delay', '100ms'], fails)
      await create(stage, 'never', ['--restart-condition', 'none'], fails)
      await create(stage, 'done', ['--restart-condition', 'on-failure'], ['busybox', 'true'])
      await tells(stage, 'failing', /(Failed .*non-zero exit \(3\)[^]*){2}/)
      await tells(stage, 'never', /Failed .*non-zero exit \(3\)/)
      await tells(stage, 'done', /Complete /)
      const [first] = stage.machines
      const made = async (name: string): Promise<number> =>
        (await lines(first.daemon, 'service', 'ps', '-q', name)).length
      assert.deepEqual([await made('failing'), await made('never'), await made('done')], [2, 1, 1])
      await remove(stage, 'failing', 'never', 'done')
    },
  },
  {
    name: 'an update overtakes another one; one that gets nowhere is rolled back in time',
    async tell(stage) {
      const [first, second] = stage.machines
      await create(stage, 'app', ['--replicas', '3', '--label', 'mesh.update.deadline=3s'])
      await spreads(stage, 'app', [1, 1, 1])
      await ok(first, 'service', 'update', '-d', '--env-add', 'V=2', '--update-delay', '20s', 'app')
      const last = ['--env-add', 'V=3', '--update-delay', '0s', '--update-parallelism', '0']
      await ok(second, 'service', 'update', ...last, 'app')
      const tasks = await stage.ask(second, (client) => client.tasks({ service: ['app'] }))
      const versions = tasks
        .filter(({ Status }) => Status.State === 'running')
        .map(({ Spec }) => JSON.stringify(Spec).match(/V=\d/)?.[0])
      assert.deepEqual(versions, ['V=3', 'V=3', 'V=3'])
      const nowhere = ['--update-failure-action', 'rollback', '--constraint-add', 'node.id==none']
      const { code, stderr } = await first.daemon.meshctl('service', 'update', ...nowhere, 'app')
      assert.equal(code, 7, stderr)
      await spreads(stage, 'app', [1, 1, 1])
      await remove(stage, 'app')
    },
  },
]

/** For good: nothing of it is left, and the others go on. */
export const farewell: Story = {
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
    if (third.engine !== null) assert.equal(await third.engine.docker('ps', '-aq'), '')
    assert.equal(await stateOf(stage, 'n3'), 'down')
    await ok(first, 'node', 'rm', 'n3')
    assert.doesNotMatch(await ok(first, 'node', 'ls'), /n3/)
    await remove(stage, 'three')
  },
}
