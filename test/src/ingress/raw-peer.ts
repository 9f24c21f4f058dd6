import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import {
  encodeTask,
  encodeTunnelFrame,
  FrameDecoder,
  frameType,
  type Frame,
  type FrameType,
} from '../../../src/wire/tunnel-frame.ts'
import { eventually } from '../../support/eventually.ts'
import type { TestNode } from './test-node.ts'

/** A peer's tunnel, in the hands of the test. */
export class RawPeer {
  readonly #socket: TLSSocket
  readonly #decoder = new FrameDecoder()
  /** The frames that came, in order, but for PONG; answers to nothing. */
  readonly frames: Frame[] = []
  isClosed = false

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => (this.isClosed = true))
    socket.on('data', (bytes: Buffer) => {
      this.#decoder.push(bytes, (frame) => {
        if (frame.type !== frameType.pong) this.frames.push(frame)
      })
    })
  }

  /** As the one node, to the other. */
  static async dial(as: TestNode, to: TestNode): Promise<RawPeer> {
    const socket = await eventuallyConnected(as, to)
    const peer = new RawPeer(socket)
    // Its PONG shows that the tunnel is up on the other side too.
    socket.write(encodeTunnelFrame(0, frameType.ping, Uint8Array.of(0, 0, 0, 1)))
    await once(socket, 'data')
    return peer
  }

  get heard(): FrameType[] {
    return this.frames.map((frame) => frame.type)
  }

  send(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#socket.write(frame)
  }

  say(type: FrameType, task: string): void {
    this.#socket.write(encodeTunnelFrame(0, type, encodeTask(task)))
  }

  hangUp(): void {
    this.#socket.destroy()
  }
}

async function eventuallyConnected(as: TestNode, to: TestNode): Promise<TLSSocket> {
  const options = clientTlsOptions(as.identity, { alpn: ['mesh-tunnel/1'] })
  let socket: TLSSocket | null = null
  await eventually(async () => {
    socket = connect({ ...options, host: to.address, port: to.dataPathPort })
    await once(socket, 'secureConnect')
  })
  assert.ok(socket !== null)
  return socket
}
