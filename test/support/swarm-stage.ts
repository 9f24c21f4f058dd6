import type { ApiNode } from '../../src/client/types.ts'
import { sleep } from './daemon.ts'
import type { InspectedService, SwarmApi } from './swarm-api.ts'
import { isUnderWay, lookAt, type Look, type Precision } from './swarm-look.ts'
import { specOf, type ServiceWish } from './swarm-spec.ts'

/** One of the two clusters that are compared. */
export interface Side {
  readonly name: 'swarm' | 'mesh'
  /** Of its manager, which no story ends. */
  readonly api: SwarmApi
  readonly machines: Readonly<Record<string, Machine>>
}

export interface Machine {
  /** Ends the node, its tasks too, without a word. */
  kill(): Promise<void>
  restart(): Promise<void>
}

export interface Story {
  readonly name: string
  readonly precision?: Precision
  readonly play: (stage: Stage) => Promise<void>
}

export type Looks = Readonly<Record<string, Look>>

const pollMs = 400
const settleWithinMs = 120_000
/** What happens by itself, such as the next attempt to place a task, shows within this time. */
const quietMs = 2_400

/** Where a story of one service is played on one side. */
export class Stage {
  readonly #side: Side
  readonly #service: string
  readonly #precision: Precision
  readonly #looks: Record<string, Look> = {}
  #wish: ServiceWish = {}

  constructor(side: Side, service: string, precision: Precision = {}) {
    this.#side = side
    this.#service = service
    this.#precision = precision
  }

  get looks(): Looks {
    return this.#looks
  }

  async create(wish: ServiceWish): Promise<void> {
    this.#wish = wish
    await this.#side.api.createService(specOf(this.#service, wish))
  }

  /** What is not named stays. */
  async update(change: ServiceWish): Promise<void> {
    this.#wish = { ...this.#wish, ...change }
    const spec = specOf(this.#service, this.#wish)
    await this.#side.api.updateService(await this.#inspect(), spec)
  }

  async rollBack(): Promise<void> {
    await this.#side.api.rollBackService(await this.#inspect())
  }

  /**
   * Waits until all is quiet, and remembers what it looks like. Where one side may never be done,
   * the story says how long to wait for it.
   */
  async look(name: string, { orAfterMs = Infinity } = {}): Promise<void> {
    const startedMs = performance.now()
    let quietSinceMs = startedMs
    let last = ''
    for (;;) {
      const { look, isQuiet } = await this.#see()
      const nowMs = performance.now()
      const said = JSON.stringify(look)
      if (said !== last || !isQuiet) quietSinceMs = nowMs
      last = said
      if (nowMs - quietSinceMs > quietMs || nowMs - startedMs > orAfterMs) {
        this.#looks[name] = look
        return
      }
      if (nowMs - startedMs > settleWithinMs) throw this.#late(`quiet (${name})`, said)
      await sleep(pollMs)
    }
  }

  async until(what: string, isSo: (look: Look) => boolean): Promise<void> {
    const deadline = performance.now() + settleWithinMs
    for (;;) {
      const { look } = await this.#see()
      if (isSo(look)) return
      if (performance.now() > deadline) throw this.#late(what, JSON.stringify(look))
      await sleep(pollMs)
    }
  }

  async remove(): Promise<void> {
    await this.#side.api.removeService(this.#service)
  }

  #inspect(): Promise<InspectedService> {
    return this.#side.api.service(this.#service)
  }

  async #see(): Promise<{ readonly look: Look; readonly isQuiet: boolean }> {
    const { api } = this.#side
    const service = await this.#inspect()
    const seen = { service, tasks: await api.tasksOf(service.ID), nodes: await api.nodes() }
    return { look: lookAt(seen, this.#precision), isQuiet: !isUnderWay(seen) }
  }

  #late(what: string, said: string): Error {
    return new Error(`${this.#side.name}: ${this.#service} is not ${what}: ${said}`)
  }
}

export interface NodeChange {
  readonly labels?: Readonly<Record<string, string>>
  readonly availability?: 'active' | 'pause' | 'drain'
}

/** The nodes of one side, by name. */
export class StageNodes {
  readonly #side: Side

  constructor(side: Side) {
    this.#side = side
  }

  async update(name: string, { labels, availability }: NodeChange): Promise<void> {
    const node = await this.#node(name)
    const Labels = labels ?? node.Spec.Labels ?? {}
    const Availability = availability ?? node.Spec.Availability
    await this.#side.api.updateNode(node, { ...node.Spec, Labels, Availability })
  }

  async kill(name: string): Promise<void> {
    await this.#side.machines[name]?.kill()
    await this.#until(name, 'down')
  }

  async restart(name: string): Promise<void> {
    await this.#side.machines[name]?.restart()
    await this.#until(name, 'ready')
  }

  async #until(name: string, state: string): Promise<void> {
    const deadline = performance.now() + settleWithinMs
    while ((await this.#node(name)).Status.State !== state) {
      if (performance.now() > deadline) {
        throw new Error(`${this.#side.name}: ${name} is not ${state}`)
      }
      await sleep(pollMs)
    }
  }

  async #node(name: string): Promise<ApiNode> {
    const nodes = await this.#side.api.nodes()
    const node = nodes.find(({ Description }) => Description.Hostname === name)
    if (node === undefined) throw new Error(`${this.#side.name} has no node ${name}`)
    return node
  }
}
