import { execFile, type ChildProcess } from 'node:child_process'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Healthcheck } from '../model/container-spec.ts'
import type { ContainerState } from './container-engine.ts'
import { lastLineOf } from './last-line.ts'

export interface ProcessHealthOptions {
  readonly check: Healthcheck
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
  readonly clock: Clock
  readonly changed: () => void
}

const nsPerMs = 1e6
const defaultIntervalNs = 30e9
const defaultStartIntervalNs = 5e9
const defaultRetries = 3
const maxOutputBytes = 4096

/** A health check as Docker runs it: first after one interval, unhealthy after so many failures. */
export class ProcessHealth {
  readonly #options: ProcessHealthOptions
  readonly #startedAtMs: number
  #status: ContainerState['health'] = 'starting'
  #output: string | null = null
  #failures = 0
  #child: ChildProcess | null = null
  #isClosed = false
  #cancel = (): void => {}

  constructor(options: ProcessHealthOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.monotonicMs()
    this.#schedule()
  }

  get status(): ContainerState['health'] {
    return this.#status
  }

  /** What the last check printed. */
  get output(): string | null {
    return this.#output
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
    this.#child?.kill('SIGKILL')
  }

  get #isInStartPeriod(): boolean {
    const { check, clock } = this.#options
    const sinceMs = clock.monotonicMs() - this.#startedAtMs
    return this.#status === 'starting' && sinceMs < (check.StartPeriod ?? 0) / nsPerMs
  }

  #schedule(): void {
    if (this.#isClosed) return
    const { check, clock } = this.#options
    const intervalNs = this.#isInStartPeriod
      ? check.StartInterval || defaultStartIntervalNs
      : check.Interval || defaultIntervalNs
    this.#cancel = clock.after(intervalNs / nsPerMs, () => this.#run())
  }

  #run(): void {
    const { check, env, cwd } = this.#options
    const [program = '', ...args] = commandOf(check)
    const timeout = (check.Timeout || defaultIntervalNs) / nsPerMs
    const limits = { env: { ...env }, cwd, timeout, maxBuffer: maxOutputBytes } as const
    this.#child = execFile(
      program,
      args,
      { ...limits, killSignal: 'SIGKILL' },
      (error, out, err) => {
        this.#child = null
        if (this.#isClosed) return
        this.#output = lastLineOf(`${out}${err}`)
        this.#judge(error === null)
        this.#schedule()
      },
    )
  }

  #judge(isGood: boolean): void {
    if (isGood) {
      this.#failures = 0
      return this.#become('healthy')
    }
    if (this.#isInStartPeriod) return
    this.#failures++
    const retries = this.#options.check.Retries || defaultRetries
    if (this.#failures >= retries) this.#become('unhealthy')
  }

  #become(status: ContainerState['health']): void {
    if (this.#status === status) return
    this.#status = status
    this.#options.changed()
  }
}

/** There is no image whose check would count: an empty test is none. */
export const hasCheck = (check: Healthcheck | undefined): check is Healthcheck =>
  ['CMD', 'CMD-SHELL'].includes(check?.Test?.[0] ?? '')

function commandOf({ Test = [] }: Healthcheck): readonly string[] {
  const [kind, ...words] = Test
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', words.join(' ')] : words
}
