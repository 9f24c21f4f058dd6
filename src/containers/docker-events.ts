import type Docker from 'dockerode'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import { becauseOf } from './engine-fault.ts'
import { readJsonLines } from './json-lines.ts'

export interface DockerEventsOptions {
  readonly docker: Docker
  readonly labels: readonly string[]
  readonly clock: Clock
  readonly log: Log
  /** Something happened to a container. */
  readonly happened: (id: string) => void
  /** Events may have been missed: whatever is known may have changed. */
  readonly resumed: () => void
}

const firstRetryMs = 250
const maxRetryMs = 5_000

/** Docker's events of our containers; a stream that breaks is opened again, for as long as it lives. */
export class DockerEvents {
  readonly #options: DockerEventsOptions
  readonly #controller = new AbortController()
  #wake = (): void => {}

  constructor(options: DockerEventsOptions) {
    this.#options = options
    void this.#run()
  }

  close(): void {
    this.#controller.abort()
    this.#wake()
  }

  get #isClosed(): boolean {
    return this.#controller.signal.aborted
  }

  async #run(): Promise<void> {
    let retryMs = firstRetryMs
    while (!this.#isClosed) {
      try {
        await this.#follow(() => {
          retryMs = firstRetryMs
        })
      } catch (error) {
        const because = becauseOf(error)
        if (!this.#isClosed) this.#options.log.debug({ because }, 'docker events broke off')
      }
      if (this.#isClosed) return
      await this.#pause(retryMs)
      retryMs = Math.min(2 * retryMs, maxRetryMs)
    }
  }

  async #follow(opened: () => void): Promise<void> {
    const { docker, labels, happened, resumed } = this.#options
    const stream = await docker.getEvents({
      filters: { type: ['container'], label: [...labels] },
      abortSignal: this.#controller.signal,
    })
    opened()
    resumed()
    for await (const event of readJsonLines(stream as AsyncIterable<Buffer>)) {
      const { id, Action } = event
      // Health checks are executions, three events each; what comes of them is an event of its own.
      const isExecution = typeof Action === 'string' && Action.startsWith('exec_')
      if (typeof id === 'string' && !isExecution) happened(id)
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}
