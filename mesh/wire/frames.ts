import * as z from 'zod'

const headerBytes = 4

/** A frame on a byte stream: its length as u32 big endian, then the payload. */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + payload.length)
  new DataView(frame.buffer).setUint32(0, payload.length)
  frame.set(payload, headerBytes)
  return frame
}

/** What the sender must be told, or the log: the stream cannot be read any further. */
export interface FrameRefused {
  readonly refused: string
}

const firstAllocationBytes = 16 * 1024

/**
 * Cuts a byte stream back into payloads, whatever the chunks. A length above the limit is refused
 * by its header; what a peer makes us hold grows with what it really sent, not with what it claims
 * or with the number of its chunks.
 */
export class FrameSplitter {
  readonly #maxBytes: number
  readonly #header = new Uint8Array(headerBytes)
  #headerFilled = 0
  #length = 0
  #payload = new Uint8Array(0)
  #filled = 0
  #refused: string | null = null

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of a frame that has begun but not ended. */
  get heldBytes(): number {
    return this.#headerFilled + this.#filled
  }

  /** The payloads that this chunk completes; after a refusal every further chunk is refused too. */
  push(chunk: Uint8Array): Uint8Array[] | FrameRefused {
    if (this.#refused !== null) return { refused: this.#refused }
    const payloads: Uint8Array[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#headerFilled < headerBytes) at += this.#takeHeader(chunk.subarray(at))
      else at += this.#takePayload(chunk.subarray(at))
      if (this.#headerFilled < headerBytes) continue
      if (this.#length > this.#maxBytes) return this.#refuse()
      if (this.#filled === this.#length) payloads.push(this.#finish())
    }
    return payloads
  }

  #takeHeader(chunk: Uint8Array): number {
    const part = chunk.subarray(0, headerBytes - this.#headerFilled)
    this.#header.set(part, this.#headerFilled)
    this.#headerFilled += part.length
    if (this.#headerFilled === headerBytes) {
      this.#length = new DataView(this.#header.buffer).getUint32(0)
    }
    return part.length
  }

  /** Copies: the chunk's memory belongs to the socket, and a small view would pin a large slab. */
  #takePayload(chunk: Uint8Array): number {
    const part = chunk.subarray(0, this.#length - this.#filled)
    const needed = this.#filled + part.length
    if (needed > this.#payload.length) {
      const doubled = Math.max(needed, this.#payload.length * 2, firstAllocationBytes)
      const larger = new Uint8Array(Math.min(this.#length, doubled))
      larger.set(this.#payload.subarray(0, this.#filled))
      this.#payload = larger
    }
    this.#payload.set(part, this.#filled)
    this.#filled = needed
    return part.length
  }

  /** The whole payload, in memory of its own and of its length. */
  #finish(): Uint8Array {
    const payload = this.#payload
    this.#payload = new Uint8Array(0)
    this.#headerFilled = 0
    this.#filled = 0
    return payload
  }

  #refuse(): FrameRefused {
    this.#refused = `a frame of ${this.#length} bytes is longer than the limit of ${this.#maxBytes}`
    this.#headerFilled = 0
    return { refused: this.#refused }
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export const encodeJson = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value))

/** Bytes of a peer as a checked value, or why they are not one. Never throws. */
export function decodeJson<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | FrameRefused {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch {
    return { refused: 'not JSON' }
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  const where = first === undefined ? '' : first.path.join('.')
  return { refused: `${where === '' ? 'message' : where}: ${first?.message ?? 'not understood'}` }
}

/** Tells a refusal from a value that was decoded. */
export const isRefused = (result: unknown): result is FrameRefused =>
  typeof result === 'object' && result !== null && 'refused' in result
