import type { TLSSocket } from 'node:tls'
import type * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import { MeshError } from '../base/mesh-error.ts'
import { decodeJson, encodeFrame, encodeJson, FrameSplitter, isRefused } from '../wire/frames.ts'

export const joinAlpn = 'mesh-join/1'

/** The join protocol in one line: a frame each way. */
export const joinFrame = (message: unknown): Uint8Array => encodeFrame(encodeJson(message))

export interface ReadOptions<T> {
  readonly schema: z.ZodType<T>
  readonly maxBytes: number
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * The one message that the peer sends; anything else (too long, not understood, silence, an end)
 * rejects with `join/bad-message`, and the caller drops the connection.
 */
export function readJoinMessage<T>(socket: TLSSocket, options: ReadOptions<T>): Promise<T> {
  const splitter = new FrameSplitter(options.maxBytes)
  return new Promise<T>((resolve, reject) => {
    const fail = (reason: string): void => {
      release()
      reject(new MeshError({ code: 'join/bad-message', reason }))
    }
    const onData = (chunk: Uint8Array): void => {
      const payloads = splitter.push(chunk)
      if ('refused' in payloads) return fail(payloads.refused)
      const [payload] = payloads
      if (payload === undefined) return
      const message = decodeJson(options.schema, payload)
      if (isRefused(message)) return fail(message.refused)
      release()
      resolve(message)
    }
    const onEnd = (): void => fail('the connection ended before a whole message came')
    const cancelTimer = options.clock.after(options.timeoutMs, () =>
      fail(`no whole message within ${options.timeoutMs} ms`),
    )
    const release = (): void => {
      cancelTimer()
      socket.off('data', onData).off('end', onEnd).off('close', onEnd)
    }
    socket.on('data', onData).once('end', onEnd).once('close', onEnd)
  })
}
