/** Time as a dependency. */
export interface Clock {
  /** Wall clock, milliseconds since 1970: for what people and certificates see. */
  nowMs(): number
  /** Never goes back; its zero means nothing: for durations. */
  monotonicMs(): number
  /** Runs `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void
  /** Runs `action` every `periodMs`, first after one period; the returned function ends it. */
  every(periodMs: number, action: () => void): () => void
}
