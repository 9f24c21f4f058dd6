import type { Clock } from '../../mesh/base/clock.ts'
import { engineFault, isEngineFault } from './engine-fault.ts'

/** How long Docker may take to answer anything that does not wait for a container. */
const callTimeoutMs = 15_000

/** Every call to Docker goes through here: it ends in time, and its failures are typed. */
export class DockerCalls {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async run<T>(
    action: (signal: AbortSignal) => Promise<T>,
    timeoutMs: number = callTimeoutMs,
  ): Promise<T> {
    const late = new AbortController()
    const cancel = this.#clock.after(timeoutMs, () =>
      late.abort(engineFault('engine/unreachable', `no answer within ${timeoutMs / 1000} s`)),
    )
    try {
      return await this.until(late.signal, action)
    } finally {
      cancel()
    }
  }

  /** Ends with the reason of `late` when that comes first: for whoever has limits of its own. */
  async until<T>(late: AbortSignal, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { promise: ended, reject } = Promise.withResolvers<never>()
    late.addEventListener('abort', () => reject(late.reason), { once: true })
    try {
      return await Promise.race([action(late), ended])
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** Null, instead of a fault, when Docker does not know what was asked for. */
  async find<T>(
    action: (signal: AbortSignal) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T | null> {
    try {
      return await this.run(action, timeoutMs)
    } catch (error) {
      if (isEngineFault(error) && error.fault.code === 'engine/no-such-container') return null
      throw error
    }
  }
}

/** What dockerode throws: with a status when Docker said no, without one when nobody answered. */
export function faultOf(error: unknown): Error {
  if (isEngineFault(error)) return error
  if (!(error instanceof Error)) return engineFault('engine/refused', String(error))
  const { statusCode, json } = error as Error & { statusCode?: number; json?: unknown }
  if (statusCode === undefined) return engineFault('engine/unreachable', error.message, error)
  const because = messageIn(json) ?? error.message
  if (statusCode === 404) return engineFault('engine/no-such-container', because, error)
  return engineFault('engine/refused', because, error)
}

function messageIn(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('message' in json)) return null
  return String(json.message)
}
