import assert from 'node:assert/strict'
import type { EngineStage } from '../../support/engine-stage.ts'
import { lines } from '../../support/meshctl.ts'
import { create, ok, remove, type Story, spreads, tells } from './telling.ts'

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
    name: 'no machine takes more replicas than it may',
    async tell(stage) {
      await create(stage, 'few', ['--replicas', '4', '--replicas-max-per-node', '1'])
      await spreads(stage, 'few', [1, 1, 1])
      await tells(stage, 'few', /no suitable node .*max replicas/)
      await remove(stage, 'few')
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
      await create(stage, 'app', ['--replicas', '3'])
      await spreads(stage, 'app', [1, 1, 1])
      await ok(first, 'service', 'update', '-d', '--env-add', 'V=2', '--update-delay', '20s', 'app')
      const last = ['--env-add', 'V=3', '--update-delay', '0s', '--update-parallelism', '0']
      await ok(second, 'service', 'update', ...last, 'app')
      const tasks = await stage.ask(second, (client) => client.tasks({ service: ['app'] }))
      const versions = tasks
        .filter(({ DesiredState }) => DesiredState === 'running')
        .map(({ Spec }) => JSON.stringify(Spec).match(/V=\d/)?.[0])
      assert.deepEqual(versions, ['V=3', 'V=3', 'V=3'])
      const nowhere = ['--update-failure-action', 'rollback', '--constraint-add', 'node.id==none']
      nowhere.push('--label-add', 'mesh.update.deadline=3s')
      const { code, stderr } = await first.daemon.meshctl('service', 'update', ...nowhere, 'app')
      assert.equal(code, 7, stderr)
      await spreads(stage, 'app', [1, 1, 1])
      await remove(stage, 'app')
    },
  },
]
