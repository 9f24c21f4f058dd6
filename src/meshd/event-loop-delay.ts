import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 20
/** One a second is taken. */
const samplesKept = 60

export interface EventLoopDelay extends Disposable {
  /** How late the event loop was at its worst since this was last asked, in ms. */
  sample(): number
  /** The worst of the last minute's samples and of the time since. */
  recentMs(): number
}

export function watchEventLoopDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  const samples: number[] = []
  const worstMs = (): number => Math.max(0, histogram.max / 1e6 - resolutionMs)
  return {
    sample() {
      const delayMs = worstMs()
      histogram.reset()
      samples.push(delayMs)
      if (samples.length > samplesKept) samples.shift()
      return delayMs
    },
    recentMs: () => Math.max(worstMs(), ...samples),
    [Symbol.dispose]: () => histogram.disable(),
  }
}
