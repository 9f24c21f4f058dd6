import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 20

/** A function that tells how late the event loop was at its worst since it was last asked, in ms. */
export function eventLoopDelaySampler(): { sample: () => number } & Disposable {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return {
    sample() {
      const worstMs = histogram.max / 1e6 - resolutionMs
      histogram.reset()
      return Math.max(0, worstMs)
    },
    [Symbol.dispose]: () => histogram.disable(),
  }
}
