import assert from 'node:assert/strict'
import type { EngineStage, Machine } from '../../support/engine-stage.ts'
import type { LanEngine } from '../../support/lan-engine.ts'
import {
  allContainers,
  create,
  gone,
  ok,
  patienceMs,
  running,
  servingAll,
  showsEngine,
  type Story,
  spreads,
  tells,
} from './telling.ts'
import { eventually } from '../../support/daemon.ts'

const engineOf = ({ engine }: Machine): LanEngine => {
  assert.ok(engine)
  return engine
}

/** The machine gets none of the new tasks, and is given some again once its engine is back. */
async function isSpared(stage: EngineStage, back: () => Promise<void>): Promise<void> {
  const [first] = stage.machines
  await showsEngine(stage, 'n2', true)
  await ok(first, 'service', 'scale', 'web=8')
  const nodes = (await running(stage, 'web')).map(({ node }) => node).sort()
  assert.deepEqual(nodes, ['n1', 'n1', 'n1', 'n2', 'n2', 'n3', 'n3', 'n3'])
  await back()
  await showsEngine(stage, 'n2', false)
  await ok(first, 'service', 'scale', 'web=9')
  await spreads(stage, 'web', [3, 3, 3])
  await ok(first, 'service', 'scale', 'web=6')
  await spreads(stage, 'web', [2, 2, 2])
}

/** The engine of n2 fails; `web` has six tasks, and goes on serving where it can. */
export const storiesOfFailingEngines: readonly Story[] = [
  {
    name: 'an engine crashes: its machine says so, gets nothing new and goes on serving',
    only: 'docker',
    async tell(stage) {
      const engine = engineOf(stage.machines[1])
      const before = await allContainers(stage, 'web')
      await servingAll(stage, async () => {
        await engine.crash()
        await isSpared(stage, () => engine.restart())
      })
      const after = await stage.containers(stage.machines[1], 'web')
      assert.ok(after.every((id) => before.includes(id)))
    },
  },
  {
    name: 'an engine hangs: the same, whoever waits is told why, and logs name the machine',
    only: 'docker',
    async tell(stage) {
      const [first] = stage.machines
      const engine = engineOf(stage.machines[1])
      engine.hang()
      try {
        await servingAll(stage, () =>
          isSpared(stage, async () => {
            await create(stage, 'there', ['--constraint', 'node.hostname==n2'])
            await tells(stage, 'there', /no suitable node .*container engine does not answer/)
            const { stdout, stderr } = await first.daemon.meshctl('service', 'logs', 'chat')
            assert.match(stdout, /@n1 .*tick/)
            assert.match(
              stderr,
              /meshd: the log of task \w+ on node n2 cannot be read: no answer within 15 s$/m,
            )
            engine.goOn()
          }),
        )
      } finally {
        engine.goOn()
      }
      await spreads(stage, 'there', [0, 1, 0])
      await gone(stage, 'there')
    },
  },
  {
    name: 'an engine ends with its containers: all of them are replaced',
    only: 'docker',
    async tell(stage) {
      const engine = engineOf(stage.machines[1])
      const flags = ['--replicas', '3', '--restart-delay', '100ms']
      await create(stage, 'mortal', flags)
      await spreads(stage, 'mortal', [1, 1, 1])
      const [lost] = await stage.containers(stage.machines[1], 'mortal')
      assert.ok(lost)
      await engine.kill()
      await engine.restart()
      await eventually('three run', patienceMs, async () => {
        const now = await allContainers(stage, 'mortal')
        return now.length === 3 && !now.includes(lost)
      })
      await gone(stage, 'mortal')
    },
  },
]
