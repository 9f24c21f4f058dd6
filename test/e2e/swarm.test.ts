import assert from 'node:assert/strict'
import { after, before, describe, test, type TestContext } from 'node:test'
import { Cluster, isUp, type Daemon } from '../support/daemon.ts'
import { SwarmApi } from '../support/swarm-api.ts'
import { swarmUnavailable, SwarmEngines, type SwarmEngine } from '../support/swarm-engines.ts'
import { playScene, serviceName } from '../support/swarm-scene.ts'
import { Stage, StageNodes, type Looks, type Side, type Story } from '../support/swarm-stage.ts'
import { allowed, type Difference } from './swarm-differences.ts'
import { scenes } from './swarm-scenes.ts'
import { serviceStories } from './swarm-stories.ts'
import { updateStories } from './swarm-stories-of-updates.ts'

/**
 * The same stories on Docker's own swarm and on ours, at the same time; what an operator sees in
 * the end has to be the same, but for the differences that are meant. A machine that stalls can
 * change a story once (a node that does not answer for a second gets no task), so one that differs
 * is told twice more, and both times it has to be the same.
 */
describe('beside a Docker Swarm', { skip: swarmUnavailable() ?? false }, () => {
  const scope = new AsyncDisposableStack()
  const occurred = new Set<Difference>()
  let sides: readonly [swarm: Side, mesh: Side]

  before(async () => {
    sides = [await startSwarm(scope), await startMesh(scope)]
    await both((side) => putUpSigns(new StageNodes(side)))
  })

  after(() => scope.disposeAsync())

  describe('services', { concurrency: 8 }, () => {
    for (const story of [...serviceStories, ...updateStories]) {
      test(story.name, (context) =>
        agreesWhenToldAgain(context, async (telling) => {
          const [swarm, mesh] = await both((side) => playOn(side, story, telling))
          return unexpected(story.name, swarm, mesh)
        }),
      )
    }
  })

  describe('services and nodes', () => {
    for (const scene of scenes) {
      test(scene.name, (context) =>
        agreesWhenToldAgain(context, async (telling) => {
          const [swarm, mesh] = await both((side) => playScene(side, scene, telling))
          return [...swarm].flatMap(([role, looks]) =>
            unexpected(`${scene.name}: ${role}`, looks, mesh.get(role) ?? {}),
          )
        }),
      )
    }
  })

  test('every allowed difference still occurs', () => {
    const past = allowed.filter((difference) => !occurred.has(difference))
    assert.deepEqual(past, [])
  })

  const both = async <T>(play: (side: Side) => Promise<T>): Promise<readonly [T, T]> => {
    const [swarm, mesh] = sides
    return await Promise.all([play(swarm), play(mesh)])
  }

  function unexpected(story: string, swarm: Looks, mesh: Looks): Found[] {
    return differences(story, swarm, mesh).filter((found) => {
      const entry = allowed.find((one) => isSame(one, found))
      if (entry !== undefined) occurred.add(entry)
      return entry === undefined
    })
  }
})

async function agreesWhenToldAgain(
  context: TestContext,
  tell: (telling: number) => Promise<readonly Found[]>,
): Promise<void> {
  const first = await tell(1)
  if (first.length === 0) return
  context.diagnostic(`told again, for at first it differed: ${JSON.stringify(first)}`)
  for (const telling of [2, 3]) assert.deepEqual(await tell(telling), [], `telling ${telling}`)
}

/** What the stories' constraints and preferences look for. */
async function putUpSigns(nodes: StageNodes): Promise<void> {
  await nodes.update('n1', { labels: { zone: 'a' } })
  await nodes.update('n2', { labels: { zone: 'a' } })
  await nodes.update('n3', { labels: { zone: 'b' } })
}

async function playOn(side: Side, story: Story, telling: number): Promise<Looks> {
  const { name, precision, play } = story
  const stage = new Stage(side, serviceName(name, telling), precision)
  await play(stage)
  await stage.remove()
  return stage.looks
}

type Found = Omit<Difference, 'because'>

function differences(story: string, swarm: Looks, mesh: Looks): Found[] {
  assert.deepEqual(Object.keys(swarm), Object.keys(mesh))
  return Object.entries(swarm).flatMap(([when, look]) => {
    const ours = mesh[when] ?? look
    const fields = Object.keys(look) as (keyof typeof look)[]
    const different = fields.filter((field) => look[field] !== ours[field])
    return different.map((what) => ({
      story,
      field: `${when}: ${what}`,
      swarm: look[what],
      mesh: ours[what],
    }))
  })
}

const isSame = (one: Found, other: Found): boolean =>
  one.story === other.story &&
  one.field === other.field &&
  one.swarm === other.swarm &&
  one.mesh === other.mesh

async function startSwarm(scope: AsyncDisposableStack): Promise<Side> {
  const { engines } = scope.use(await SwarmEngines.start('198.18.40', 3))
  const [manager] = engines as [SwarmEngine]
  const machines = Object.fromEntries(engines.map((engine) => [engine.name, engine]))
  return { name: 'swarm', api: manager.api, machines }
}

async function startMesh(scope: AsyncDisposableStack): Promise<Side> {
  const cluster = scope.use(new Cluster('127.0.60'))
  for (const role of ['manager', 'worker', 'worker'] as const) await cluster.startNode(role)
  const [manager] = cluster.daemons as [Daemon]
  const machines = Object.fromEntries(
    cluster.daemons.map((daemon) => [daemon.options.name, machineOf(daemon)]),
  )
  return { name: 'mesh', api: new SwarmApi(manager.socketPath), machines }
}

const machineOf = (daemon: Daemon): Side['machines'][string] => ({
  kill: () => daemon.killNode(),
  restart: () => {
    daemon.start()
    return isUp(daemon)
  },
})
