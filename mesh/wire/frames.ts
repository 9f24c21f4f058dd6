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

/**
 * Cuts a byte stream back into payloads, whatever the chunks. A length above the limit is refused
 * before any of it is kept, so a peer can make us hold at most `maxBytes` and one chunk.
 */
export class FrameSplitter {
  readonly #maxBytes: number
  #chunks: Uint8Array[] = []
  #heldBytes = 0
  #refused: string | null = null

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of a frame that has begun but not ended. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The payloads that this chunk completes; after a refusal every further chunk is refused too. */
  push(chunk: Uint8Array): Uint8Array[] | FrameRefused {
    if (this.#refused !== null) return { refused: this.#refused }
    if (chunk.length > 0) {
      this.#chunks.push(chunk)
      this.#heldBytes += chunk.length
    }
    const payloads: Uint8Array[] = []
    while (this.#heldBytes >= headerBytes) {
      const length = this.#peekLength()
      if (length > this.#maxBytes) return this.#refuse(length)
      if (this.#heldBytes < headerBytes + length) break
      payloads.push(this.#take(headerBytes + length).subarray(headerBytes))
    }
    return payloads
  }

  #refuse(length: number): FrameRefused {
    this.#refused = `a frame of ${length} bytes is longer than the limit of ${this.#maxBytes}`
    this.#chunks = []
    this.#heldBytes = 0
    return { refused: this.#refused }
  }

  #peekLength(): number {
    let length = 0
    let seen = 0
    for (const chunk of this.#chunks) {
      for (const byte of chunk.subarray(0, headerBytes - seen)) {
        length = length * 256 + byte
        seen++
      }
      if (seen === headerBytes) break
    }
    return length
  }

  /** Always a copy: the chunk's memory belongs to the socket, and a small view would pin a large slab. */
  #take(bytes: number): Uint8Array {
    const taken = new Uint8Array(bytes)
    let filled = 0
    let used = 0
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, bytes - filled)
      taken.set(part, filled)
      filled += part.length
      if (part.length < chunk.length) {
        this.#chunks[used] = chunk.subarray(part.length)
        break
      }
      used++
      if (filled === bytes) break
    }
    this.#chunks.splice(0, used)
    this.#heldBytes -= bytes
    return taken
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
