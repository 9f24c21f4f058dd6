import type { Clock } from '../../mesh/base/clock.ts'
import { ringRefusal } from '../kernel/ring.ts'
import type { Loop } from './loop.ts'
import { NetLoop } from './net-loop.ts'
import { RingLoop } from './ring-loop.ts'

export type Engine = 'ring' | 'net'

export interface EngineChoice {
  readonly engine: Engine
  readonly because: string
  /** What was asked for cannot be had. */
  readonly isInstead: boolean
}

/** What the kernel is spoken to through: the ring only for whoever asks for it, and where it is. */
export function chooseEngine(
  asked: Engine | 'auto',
  refusal: () => string | null = ringRefusal,
): EngineChoice {
  if (asked === 'net') return { engine: 'net', because: 'asked for', isInstead: false }
  if (asked === 'auto') {
    return { engine: 'net', because: 'the ring is for whoever asks for it', isInstead: false }
  }
  const because = refusal()
  return because === null
    ? { engine: 'ring', because: 'asked for', isInstead: false }
    : { engine: 'net', because: `no ring: ${because}`, isInstead: true }
}

export function loopOf(engine: Engine, clock: Clock): Loop {
  return engine === 'ring' ? new RingLoop(clock) : new NetLoop(clock)
}
