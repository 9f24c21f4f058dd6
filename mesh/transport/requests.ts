import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { NodeId } from '../base/ids.ts'
import type { FrameStream } from './transport.ts'

/**
 * Questions and answers over frames. A question is its number (u32) and the payload; an answer is
 * the number, one byte (0 answered, 1 failed) and the payload, or the reason as text.
 */
const numberBytes = 4
const maxPending = 1024
const maxAnsweredAtOnce = 256
const answered = 0
const failed = 1

interface Pending {
  readonly resolve: (payload: Uint8Array) => void
  readonly reject: (error: MeshError) => void
}

/** The asking side of one stream. */
export class Requests {
  readonly #peer: NodeId
  readonly #protocol: string
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  #lastNumber = 0

  constructor(peer: NodeId, protocol: string, clock: Clock) {
    this.#peer = peer
    this.#protocol = protocol
    this.#clock = clock
  }

  ask(
    payload: Uint8Array,
    timeoutMs: number,
    send: (frame: Uint8Array) => boolean,
  ): Promise<Uint8Array> {
    const number = (this.#lastNumber + 1) >>> 0
    this.#lastNumber = number
    const isSent = this.#pending.size < maxPending && send(encodeQuestion(number, payload))
    if (!isSent) {
      const reason = 'the queue is full, or the question too long'
      return Promise.reject(this.#fault('transport/unreachable', reason))
    }
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#clock.after(timeoutMs, () => {
        this.#pending.delete(number)
        reject(this.#fault('transport/timeout', `no answer within ${timeoutMs} ms`))
      })
      this.#pending.set(number, {
        resolve: (answer) => {
          cancelTimer()
          resolve(answer)
        },
        reject: (error) => {
          cancelTimer()
          reject(error)
        },
      })
    })
  }

  /** An answer from the peer; one that nobody waits for any more is dropped. */
  onFrame(frame: Uint8Array): void {
    if (frame.length <= numberBytes) return
    const number = readNumber(frame)
    const pending = this.#pending.get(number)
    if (pending === undefined) return
    this.#pending.delete(number)
    const payload = frame.subarray(numberBytes + 1)
    if (frame[numberBytes] === answered) return pending.resolve(payload)
    const reason = new TextDecoder().decode(payload.subarray(0, 1000))
    pending.reject(this.#fault('transport/failed', reason))
  }

  onClose(): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    const error = this.#fault('transport/unreachable', 'the stream ended')
    for (const { reject } of pending) reject(error)
  }

  #fault(code: string, reason: string): MeshError {
    return new MeshError({ code, node: this.#peer, protocol: this.#protocol, reason })
  }
}

export type Answer = (from: NodeId, frame: Uint8Array) => Promise<Uint8Array>

/** The answering side of one stream; a failed answer is told to the peer by its code. */
export function answerRequests(stream: FrameStream, answer: Answer, log: Log): void {
  let running = 0
  stream.onFrame((frame) => {
    if (frame.length < numberBytes) return stream.close()
    const number = readNumber(frame)
    if (running >= maxAnsweredAtOnce) {
      stream.send(encodeAnswer(number, failed, reasonBytes('transport/busy')))
      return
    }
    running++
    void answerOne(answer, stream.peer, frame.subarray(numberBytes))
      .then(
        (payload) => encodeAnswer(number, answered, payload),
        (error: unknown) => encodeAnswer(number, failed, reasonBytes(explain(error, log))),
      )
      .then((reply) => {
        running--
        // An answer that cannot leave would be waited for: better to fail all than to keep silent.
        if (!stream.send(reply)) stream.close()
      })
  })
}

/** Async, so that a listener that throws at once fails like one that rejects. */
const answerOne = async (answer: Answer, from: NodeId, payload: Uint8Array): Promise<Uint8Array> =>
  answer(from, payload)

function explain(error: unknown, log: Log): string {
  if (error instanceof MeshError) return error.fault.code
  log.error({ reason: error instanceof Error ? error.message : String(error) }, 'request failed')
  return 'transport/internal'
}

const reasonBytes = (reason: string): Uint8Array => new TextEncoder().encode(reason)

const readNumber = (frame: Uint8Array): number =>
  new DataView(frame.buffer, frame.byteOffset).getUint32(0)

function encodeQuestion(number: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(numberBytes + payload.length)
  new DataView(frame.buffer).setUint32(0, number)
  frame.set(payload, numberBytes)
  return frame
}

function encodeAnswer(number: number, status: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(numberBytes + 1 + payload.length)
  new DataView(frame.buffer).setUint32(0, number)
  frame[numberBytes] = status
  frame.set(payload, numberBytes + 1)
  return frame
}
