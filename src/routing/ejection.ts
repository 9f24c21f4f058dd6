const failuresToEject = 3
const firstEjectionMs = 1000
const longestEjectionMs = 30_000

/**
 * Whether a task is worth asking, judged by what became of those who did. After three failures in a
 * row, or one refusal, it is left alone for a while; then one request tries it, and the others wait
 * for what becomes of that one.
 */
export class Ejection {
  #failures = 0
  #times = 0
  #untilMs = 0
  #isProbed = false

  isOpenAt(nowMs: number): boolean {
    return this.#times === 0 || (nowMs >= this.#untilMs && !this.#isProbed)
  }

  /** Somebody is on the way to it. */
  asked(): void {
    if (this.#times > 0) this.#isProbed = true
  }

  succeeded(): void {
    this.#failures = 0
    this.#times = 0
    this.#isProbed = false
  }

  /** Nothing was learnt: whoever asked went away. */
  abandoned(): void {
    this.#isProbed = false
  }

  /** `isRefusal`: nobody is there at all. True when this ejects it. */
  failed(nowMs: number, isRefusal: boolean): boolean {
    this.#failures += 1
    const wasProbe = this.#isProbed
    this.#isProbed = false
    if (!isRefusal && !wasProbe && this.#failures < failuresToEject) return false
    // Those who were already on their way when it was ejected prove nothing new.
    if (nowMs < this.#untilMs) return false
    const lengthMs = Math.min(firstEjectionMs * 2 ** this.#times, longestEjectionMs)
    this.#times = Math.min(this.#times + 1, 16)
    this.#untilMs = nowMs + lengthMs
    return true
  }
}
