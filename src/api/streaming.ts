import type { IncomingMessage, ServerResponse } from 'node:http'
import { unavailable } from './api-error.ts'

/** How many answers may go on without an end at the same time. */
export class StreamSlots {
  readonly #limit: number
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** One of them for this answer, until it is over. */
  take(res: ServerResponse): void {
    if (this.#taken >= this.#limit) {
      throw unavailable(
        'this node has no room for another stream',
        `${this.#limit} readers of logs and events are its limit`,
        'end one of them, or ask another node',
      )
    }
    this.#taken++
    res.once('close', () => this.#taken--)
  }
}

/** Ends when the client goes away, or when the answer is complete. */
export function closingSignal(req: IncomingMessage, res: ServerResponse): AbortSignal {
  const controller = new AbortController()
  if (req.destroyed && !req.complete) controller.abort()
  res.once('close', () => controller.abort())
  return controller.signal
}

/** Waits for a reader that is slow; false when it went away. */
export async function write(res: ServerResponse, data: string | Buffer): Promise<boolean> {
  if (res.destroyed) return false
  if (res.write(data)) return true
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      res.off('drain', settle)
      res.off('close', settle)
      resolve()
    }
    res.once('drain', settle)
    res.once('close', settle)
  })
  return !res.destroyed
}
