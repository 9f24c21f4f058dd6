import { connect, type TLSSocket } from 'node:tls'
import type * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import { MeshError } from '../base/mesh-error.ts'
import { decodeJson, encodeFrame, encodeJson, FrameSplitter, isRefused } from '../wire/frames.ts'
import { handshakeFault } from '../identity/tls-options.ts'

/** What may be spoken on the control port by somebody without a valid certificate. */
export const joinAlpn = 'mesh-join/1'
export const renewAlpn = 'mesh-renew/1'

/** Both protocols in one line: a frame each way. */
export const controlFrame = (message: unknown): Uint8Array => encodeFrame(encodeJson(message))

export interface ReadOptions<T> {
  readonly schema: z.ZodType<T>
  readonly maxBytes: number
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * The one message that the peer sends; anything else (too long, not understood, silence, an end)
 * rejects with `control/bad-message`, and the caller drops the connection.
 */
export function readControlMessage<T>(socket: TLSSocket, options: ReadOptions<T>): Promise<T> {
  const splitter = new FrameSplitter(options.maxBytes)
  return new Promise<T>((resolve, reject) => {
    const fail = (reason: string): void => {
      release()
      reject(new MeshError({ code: 'control/bad-message', reason }))
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

export interface DialOptions {
  readonly host: string
  readonly port: number
  readonly alpn: string
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * A TLS connection to a control port, of whoever answers there: the caller verifies before it sends
 * anything. Rejects with `control/unreachable`.
 */
export function dialControl(options: DialOptions): Promise<TLSSocket> {
  const { host, port, alpn, timeoutMs, clock } = options
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ALPNProtocols: [alpn],
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
    })
    const fail = (reason: string): void => {
      release()
      socket.on('error', () => {}).destroy()
      reject(new MeshError({ code: 'control/unreachable', host, port, reason }))
    }
    const onError = (error: Error): void => fail(handshakeFault(error))
    const onClose = (): void => fail('the connection was closed')
    const onSecure = (): void => {
      release()
      socket.on('error', () => socket.destroy())
      resolve(socket)
    }
    const cancelTimer = clock.after(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`))
    const release = (): void => {
      cancelTimer()
      socket.off('error', onError).off('close', onClose).off('secureConnect', onSecure)
    }
    socket.once('error', onError).once('close', onClose).once('secureConnect', onSecure)
  })
}
