import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type {
  ContainerEngine,
  ContainerState,
  EngineDescription,
} from '../containers/container-engine.ts'
import { becauseOf, isUnreachable, mayPass } from '../containers/engine-fault.ts'

export interface EngineLinkDeps {
  readonly engine: ContainerEngine
  readonly clock: Clock
  readonly log: Log
}

export interface EngineLinkEvents {
  /** It answers, for the first time or again: everything is read anew. */
  read(description: EngineDescription, containers: readonly ContainerState[]): void
  lost(because: string): void
  /** What it has now, every minute. */
  listed(containers: readonly ContainerState[]): void
}

const firstRetryMs = 250
const maxRetryMs = 5_000
/** How long an engine may be dead while nobody calls it. */
const checkPeriodMs = 5_000
/** One check in so many reads the containers, too. */
const checksAList = 12

/** Whether the engine answers, and the way to call it: the one who finds it silent tells all. */
export class EngineLink {
  readonly #deps: EngineLinkDeps
  readonly #events: EngineLinkEvents
  #isReady = false
  #isClosed = false
  #isConnecting = false
  #isRetrying = false
  #retryMs = firstRetryMs
  #checks = 0
  #cancel = (): void => {}

  constructor(deps: EngineLinkDeps, events: EngineLinkEvents) {
    this.#deps = deps
    this.#events = events
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Resolves when the first attempt has ended, one way or the other. */
  open(): Promise<void> {
    return this.#connect()
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  /** `lost` when it did not answer: whoever waits will be told by `read` how things are. */
  async call<T>(
    action: (engine: ContainerEngine) => Promise<T>,
  ): Promise<
    | { readonly kind: 'done'; readonly value: T }
    | { readonly kind: 'failed'; readonly because: string; readonly mayPass: boolean }
    | { readonly kind: 'lost' }
  > {
    try {
      return { kind: 'done', value: await action(this.#deps.engine) }
    } catch (error) {
      if (!isUnreachable(error)) {
        return { kind: 'failed', because: becauseOf(error), mayPass: mayPass(error) }
      }
      this.#lose(becauseOf(error))
      return { kind: 'lost' }
    }
  }

  async #connect(): Promise<void> {
    if (this.#isClosed || this.#isConnecting) return
    this.#isConnecting = true
    this.#isRetrying = false
    try {
      const description = await this.#deps.engine.describe()
      const containers = await this.#deps.engine.list()
      this.#isConnecting = false
      this.#connected(description, containers)
    } catch (error) {
      this.#isConnecting = false
      this.#lose(becauseOf(error))
    }
  }

  #connected(description: EngineDescription, containers: readonly ContainerState[]): void {
    if (this.#isClosed) return
    this.#isReady = true
    this.#retryMs = firstRetryMs
    this.#schedule(checkPeriodMs, () => this.#check())
    this.#deps.log.info({ containers: containers.length }, 'container engine answers')
    this.#events.read(description, containers)
  }

  async #check(): Promise<void> {
    const answer = await this.call((engine) => engine.describe())
    if (answer.kind === 'failed') this.#lose(answer.because)
    if (++this.#checks % checksAList === 0 && this.#isReady) await this.#list()
    if (answer.kind === 'done' && this.#isReady) this.#schedule(checkPeriodMs, () => this.#check())
  }

  async #list(): Promise<void> {
    const answer = await this.call((engine) => engine.list())
    if (answer.kind === 'done' && !this.#isClosed) this.#events.listed(answer.value)
  }

  /** Of many calls that fail together only the first one counts. */
  #lose(because: string): void {
    if (this.#isClosed || this.#isConnecting || this.#isRetrying) return
    const isNews = this.#isReady || this.#retryMs === firstRetryMs
    this.#isReady = false
    this.#isRetrying = true
    this.#schedule(this.#retryMs, () => this.#connect())
    this.#retryMs = Math.min(2 * this.#retryMs, maxRetryMs)
    if (isNews) this.#deps.log.warn({ because }, 'container engine does not answer')
    this.#events.lost(because)
  }

  #schedule(delayMs: number, action: () => Promise<void>): void {
    this.#cancel()
    if (this.#isClosed) return
    this.#cancel = this.#deps.clock.after(delayMs, () => void action())
  }
}
