import type { Clock } from '../../mesh/base/clock.ts'

/**
 * Many calls, few runs: the first call runs `action` at the end of the turn, calls within
 * `quietMs` after a run are answered by one run when it is over.
 */
export function coalesce(clock: Clock, quietMs: number, action: () => void): () => void {
  let lastRunMs = -quietMs
  let isWaiting = false
  return () => {
    if (isWaiting) return
    isWaiting = true
    const waitMs = Math.max(0, lastRunMs + quietMs - clock.monotonicMs())
    clock.after(waitMs, () => {
      isWaiting = false
      lastRunMs = clock.monotonicMs()
      action()
    })
  }
}
