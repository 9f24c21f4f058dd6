import type { Clock } from '../../mesh/base/clock.ts'

/** Resolves after the pause, or at once when the signal ends it. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const settle = (): void => {
      cancel()
      signal.removeEventListener('abort', settle)
      resolve()
    }
    const cancel = clock.after(ms, settle)
    signal.addEventListener('abort', settle)
  })
}
