const u32 = 2 ** 32

/**
 * Reads what a `ByteWriter` wrote. What is not there is read as nothing and remembered, so that a
 * decoder looks once, at the end, whether all that it read was true.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0
  #isBroken = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get bytesLeft(): number {
    return this.#bytes.length - this.#at
  }

  /** Everything that was read was there, and nothing stands behind it. */
  get isWhole(): boolean {
    return !this.#isBroken && this.bytesLeft === 0
  }

  byte(): number {
    const at = this.#skip(1)
    return at === null ? 0 : this.#view.getUint8(at)
  }

  whole(): number {
    const at = this.#skip(8)
    if (at === null) return 0
    const value = this.#view.getUint32(at) * u32 + this.#view.getUint32(at + 4)
    if (Number.isSafeInteger(value)) return value
    return this.refuse(0)
  }

  /** How many things follow, of at least so many bytes each: no more than can be there. */
  count(bytesEach: number, most = Infinity): number {
    const count = this.whole()
    return count <= most && count * bytesEach <= this.bytesLeft ? count : this.refuse(0)
  }

  /** A view into the memory that is read. */
  counted(): Uint8Array {
    const at = this.#skip(4)
    const start = at === null ? null : this.#skip(this.#view.getUint32(at))
    return this.#bytes.subarray(start ?? this.#at, this.#at)
  }

  #skip(count: number): number | null {
    const at = this.#at
    if (count > this.bytesLeft || this.#isBroken) {
      return this.refuse(null)
    }
    this.#at += count
    return at
  }

  /** What was read makes no sense: `instead` stands for it. */
  refuse<T>(instead: T): T {
    this.#isBroken = true
    return instead
  }
}
