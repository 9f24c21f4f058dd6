import { isIPv6 } from 'node:net'
import type { Clock } from '../base/clock.ts'

export interface Limits {
  readonly whole: number
  /** Less than the whole: one address must not shut the others out. */
  readonly perAddress: number
}

/** How many strangers are attended to at once: altogether, and from one address. */
export class Attendance {
  readonly #limits: Limits
  readonly #byAddress = new Map<string, number>()
  #running = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Ends this one's stay, once, however often it is called; null when there is no room for it. */
  enter(host: string): (() => void) | null {
    const address = countedAddress(host)
    const known = this.#byAddress.get(address) ?? 0
    if (this.#running >= this.#limits.whole || known >= this.#limits.perAddress) return null
    this.#running++
    this.#byAddress.set(address, known + 1)
    let isHere = true
    return () => {
      if (isHere) this.#leave(address)
      isHere = false
    }
  }

  #leave(address: string): void {
    this.#running--
    const left = (this.#byAddress.get(address) ?? 1) - 1
    if (left === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, left)
  }
}

export interface Rates {
  /** What may come in one moment. */
  readonly burst: Limits
  /** What may come in the long run. */
  readonly perSecond: Limits
}

interface Bucket {
  readonly left: number
  readonly atMs: number
}

/** Of addresses that were heard lately; who is forgotten begins anew, within the whole. */
const maxRemembered = 1024

/** How often strangers may ask: altogether, and from one address. */
export class AskingRate {
  readonly #rates: Rates
  readonly #clock: Clock
  readonly #byAddress = new Map<string, Bucket>()
  #whole: Bucket

  constructor(rates: Rates, clock: Clock) {
    this.#rates = rates
    this.#clock = clock
    this.#whole = { left: rates.burst.whole, atMs: clock.monotonicMs() }
  }

  /** False when it comes too soon; then it does not count. */
  take(host: string): boolean {
    const address = countedAddress(host)
    const atMs = this.#clock.monotonicMs()
    const { burst } = this.#rates
    const whole = this.#filled(this.#whole, 'whole', atMs)
    const known = this.#byAddress.get(address) ?? { left: burst.perAddress, atMs }
    const own = this.#filled(known, 'perAddress', atMs)
    if (whole.left < 1 || own.left < 1) return false
    this.#whole = { left: whole.left - 1, atMs }
    this.#remember(address, { left: own.left - 1, atMs })
    return true
  }

  #filled({ left, atMs }: Bucket, of: keyof Limits, nowMs: number): Bucket {
    const { burst, perSecond } = this.#rates
    const gained = ((nowMs - atMs) / 1000) * perSecond[of]
    return { left: Math.min(burst[of], left + gained), atMs: nowMs }
  }

  #remember(address: string, bucket: Bucket): void {
    this.#byAddress.delete(address)
    this.#byAddress.set(address, bucket)
    if (this.#byAddress.size <= maxRemembered) return
    const [oldest] = this.#byAddress.keys()
    if (oldest !== undefined) this.#byAddress.delete(oldest)
  }
}

/** A machine has all the addresses of an IPv6 network of 64 bits to itself. */
function countedAddress(host: string): string {
  if (!isIPv6(host)) return host
  const [head = '', tail] = host.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail === undefined) return groups.slice(0, 4).join(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => '0')
  return [...groups, ...zeros, ...after].slice(0, 4).join(':')
}
