import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { assert } from '../base/assert.ts'
import type { Datagrams } from '../base/datagrams.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import { formatHostPort, parseHostPort, plainHost, type HostPort } from './host-address.ts'
import { maxPayloadBytes, PacketSealer } from './packet-seal.ts'

export interface SealedDatagramsOptions {
  /** Port 0 takes any free one. */
  readonly listen: HostPort
  /** AES-256 keys: the first one seals, any opens. */
  readonly keys: readonly Uint8Array[]
}

/** What came and went since the start; packets that do not open are told here only. */
export interface DatagramCounters {
  readonly sent: number
  readonly received: number
  /** Foreign, damaged or repeated. */
  readonly refused: number
  readonly sendErrors: number
}

/** UDP between members, every packet sealed. Anybody may send us packets, so a bad one costs no log line. */
export class SealedDatagrams implements Datagrams {
  /** What one packet carries; a longer payload is a bug of the caller. */
  readonly maxPayloadBytes = maxPayloadBytes
  readonly #socket: Socket
  readonly #sealer: PacketSealer
  readonly #log: Log
  readonly #counters = { sent: 0, received: 0, refused: 0, sendErrors: 0 }
  #listener: ((from: string, packet: Uint8Array) => void) | null = null
  #isClosed = false

  private constructor(socket: Socket, keys: readonly Uint8Array[], log: Log) {
    this.#socket = socket
    this.#sealer = new PacketSealer(keys)
    this.#log = log
    socket.on('message', (packet, from) => this.#receive(packet, from))
    socket.on('error', (error) => this.#log.error({ error: error.message }, 'UDP socket failed'))
  }

  /** Rejects with `transport/cannot-listen`. */
  static async open(options: SealedDatagramsOptions, deps: { log: Log }): Promise<SealedDatagrams> {
    const { host, port } = options.listen
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    const listening = once(socket, 'listening')
    try {
      socket.bind(port, host)
      await listening
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new MeshError({ code: 'transport/cannot-listen', protocol: 'udp', host, port, reason })
    }
    return new SealedDatagrams(socket, options.keys, deps.log)
  }

  get address(): string {
    const { address, port } = this.#socket.address()
    return formatHostPort({ host: address, port })
  }

  get counters(): DatagramCounters {
    return { ...this.#counters }
  }

  useKeys(keys: readonly Uint8Array[]): void {
    this.#sealer.useKeys(keys)
  }

  send(to: string, packet: Uint8Array): void {
    if (this.#isClosed) return
    const target = parseHostPort(to)
    if (target === null) {
      this.#counters.sendErrors++
      return
    }
    this.#counters.sent++
    this.#socket.send(this.#sealer.seal(packet), target.port, target.host, (error) => {
      if (error !== null) this.#counters.sendErrors++
    })
  }

  onPacket(listener: (from: string, packet: Uint8Array) => void): void {
    assert(this.#listener === null, 'datagrams have one listener')
    this.#listener = listener
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  #receive(packet: Uint8Array, from: RemoteInfo): void {
    const payload = this.#sealer.open(packet)
    if (payload === null) {
      this.#counters.refused++
      return
    }
    this.#counters.received++
    this.#listener?.(formatHostPort({ host: plainHost(from.address), port: from.port }), payload)
  }
}
