import { encodeTunnelFrame, frameType, type FrameType } from '../../wire/tunnel-frame.ts'
import type { DialFailure } from '../end.ts'
import type { StreamHost } from './tunnel-stream.ts'

/** What becomes of a dial: exactly one of the two is called, unless it is given up first. */
interface Dial<Carried> {
  onOpen(carried: Carried): void
  onFailed(failure: DialFailure): void
}

export interface OpeningOptions<Carried> {
  readonly id: number
  /** In words for who breaks the rules. */
  readonly what: 'stream' | 'flow'
  readonly host: StreamHost
  /** Null when the peer dials. */
  readonly dial: Dial<Carried> | null
}

/** How what a tunnel carries begins: one side dials with OPEN, the other answers READY or GONE. */
export class Opening<Carried> {
  readonly #options: OpeningOptions<Carried>
  #phase: 'dialling' | 'offered' | 'open' | 'dead'
  #dial: Dial<Carried> | null

  constructor(options: OpeningOptions<Carried>) {
    this.#options = options
    this.#dial = options.dial
    this.#phase = options.dial === null ? 'offered' : 'dialling'
  }

  get isDialling(): boolean {
    return this.#phase === 'dialling'
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  get isDead(): boolean {
    return this.#phase === 'dead'
  }

  /** Answers an OPEN: the task has accepted. */
  accept(): void {
    if (this.#phase !== 'offered') return
    this.#phase = 'open'
    this.tell(frameType.ready)
  }

  /** Answers an OPEN: no such task here. False when it was answered before. */
  refuse(): boolean {
    if (this.#phase !== 'offered') return false
    this.tell(frameType.gone)
    return true
  }

  /** Null when READY was due; else how the peer broke the rules. */
  receiveReady(carried: Carried): string | null {
    const dial = this.#dial
    if (dial === null || !this.isDialling) return `READY for a ${this.#options.what} that is open`
    this.#phase = 'open'
    this.#dial = null
    dial.onOpen(carried)
    return null
  }

  /** Whom the failure of a dial is to be told, once everything else is over. */
  die(): Dial<Carried> | null {
    const dial = this.#dial
    this.#phase = 'dead'
    this.#dial = null
    return dial
  }

  /** A frame without anything in it. */
  tell(type: FrameType): void {
    this.#options.host.control(encodeTunnelFrame(this.#options.id, type))
  }
}
