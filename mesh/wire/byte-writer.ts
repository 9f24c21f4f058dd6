const u32 = 2 ** 32

/** Numbers and bytes, one behind the other, in memory that grows with them. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(expectedBytes: number) {
    this.#bytes = new Uint8Array(expectedBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  byte(value: number): void {
    this.#view.setUint8(this.#grow(1), value)
  }

  /** A whole number from 0 to 2^53 - 1, in eight bytes. */
  whole(value: number): void {
    const at = this.#grow(8)
    this.#view.setUint32(at, value / u32)
    this.#view.setUint32(at + 4, value % u32)
  }

  /** length(4) bytes */
  counted(bytes: Uint8Array): void {
    const at = this.#grow(4 + bytes.length)
    this.#view.setUint32(at, bytes.length)
    this.#bytes.set(bytes, at + 4)
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Where the next so many bytes go. */
  #grow(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}
