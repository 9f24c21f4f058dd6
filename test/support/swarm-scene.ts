import { Stage, StageNodes, type Looks, type Side } from './swarm-stage.ts'
import type { Precision } from './swarm-look.ts'
import type { ServiceWish } from './swarm-spec.ts'

/** Something happens to nodes. Several services live through it; what each of them meets is a story. */
export interface Scene {
  readonly name: string
  readonly services: Readonly<Record<string, Role>>
  readonly acts: readonly Act[]
}

export interface Role {
  readonly wish: ServiceWish
  /** Who gets which slot is left to chance, unless the role says more. */
  readonly precision?: Precision
}

export interface Act {
  readonly name: string
  readonly play?: (nodes: StageNodes) => Promise<void>
  /** What is asked of the services then. */
  readonly changes?: Readonly<Record<string, ServiceWish>>
  /** One side may never be done. */
  readonly orAfterMs?: number
}

/** What each service looked like after each act. */
export async function playScene(
  side: Side,
  scene: Scene,
  telling: number,
): Promise<Map<string, Looks>> {
  const stages = new Map<string, Stage>()
  for (const [name, { wish, precision = { slots: false } }] of Object.entries(scene.services)) {
    const stage = new Stage(side, serviceName(`${scene.name} ${name}`, telling), precision)
    stages.set(name, stage)
    await stage.create(wish)
  }
  await lookAtAll(stages, 'created')
  for (const { name, play, changes = {}, orAfterMs } of scene.acts) {
    await play?.(new StageNodes(side))
    for (const [service, change] of Object.entries(changes)) {
      await stages.get(service)?.update(change)
    }
    await lookAtAll(stages, name, orAfterMs)
  }
  for (const stage of stages.values()) await stage.remove()
  return new Map([...stages].map(([name, { looks }]) => [name, looks]))
}

async function lookAtAll(
  stages: ReadonlyMap<string, Stage>,
  name: string,
  orAfterMs = Infinity,
): Promise<void> {
  await Promise.all([...stages.values()].map((stage) => stage.look(name, { orAfterMs })))
}

/** In the alphabet of host names, and not longer than one. */
export function serviceName(title: string, telling: number): string {
  const words = title.replaceAll(/[^a-z0-9]+/g, '-').slice(0, 60)
  return `${words}-${telling}`.replaceAll('--', '-')
}
