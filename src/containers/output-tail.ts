/** The last bytes of what a program printed: enough to say why it failed, never more. */
export class OutputTail {
  readonly #capacityBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(capacityBytes = 64 * 1024) {
    this.#capacityBytes = capacityBytes
  }

  push(chunk: Buffer): void {
    const kept = chunk.subarray(Math.max(0, chunk.length - this.#capacityBytes))
    this.#chunks.push(kept)
    this.#bytes += kept.length
    // Joined only once it is twice too long, so that a chatty program costs little.
    if (this.#bytes > 2 * this.#capacityBytes || this.#chunks.length > 1024) this.#join()
  }

  text(): string {
    this.#join()
    return (this.#chunks[0] ?? Buffer.alloc(0)).toString('utf8')
  }

  /** The last line that says something, cut to a length that a table can show. */
  lastLine(): string | null {
    return lastLineOf(this.text())
  }

  #join(): void {
    const all = Buffer.concat(this.#chunks)
    const kept = all.subarray(Math.max(0, all.length - this.#capacityBytes))
    this.#chunks = [Buffer.from(kept)]
    this.#bytes = kept.length
  }
}

const maxLineLength = 200

export function lastLineOf(text: string): string | null {
  const line = text.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? null : line.slice(0, maxLineLength)
}
