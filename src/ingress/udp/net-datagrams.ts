import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { plainHost, type Address, type ListenSpec } from '../loop.ts'
import type { DatagramHandler, DatagramLoop, DatagramSocket } from './datagram-loop.ts'

/** Waiting to be sent, per socket: the kernel takes datagrams at once, or its own queue is full. */
const queuedBytesLimit = 256 * 1024
/** Faults of one datagram, or of one answer that could not be delivered: the socket is as good as ever. */
const passing: ReadonlySet<string> = new Set(['EMSGSIZE', 'EPERM', 'EHOSTUNREACH', 'ENETUNREACH'])

/** UDP over `node:dgram`, beside a `NetLoop`. */
export class NetDatagrams implements DatagramLoop {
  readonly #sockets = new Set<NetDatagramSocket>()

  bind(spec: ListenSpec, handler: DatagramHandler): DatagramSocket {
    const socket = this.#open(spec.host, { reusePort: spec.shared })
    const made = this.#keep(socket, handler, false)
    socket.once('listening', () => {
      if (!made.isClosed) handler.onBound()
    })
    socket.bind({ address: spec.host, port: spec.port, exclusive: true })
    return made
  }

  connect(to: Address, handler: DatagramHandler): DatagramSocket {
    const socket = this.#open(to.host, {})
    const made = this.#keep(socket, handler, true)
    socket.once('connect', () => made.connected())
    socket.connect(to.port, to.host)
    return made
  }

  stop(): void {
    for (const socket of this.#sockets) socket.close()
  }

  #open(host: string, more: { readonly reusePort?: boolean }): Socket {
    const type = isIPv6(host) ? 'udp6' : 'udp4'
    return createSocket({ ...more, type, ipv6Only: isIPv6(host), lookup })
  }

  #keep(socket: Socket, handler: DatagramHandler, isConnecting: boolean): NetDatagramSocket {
    const made = new NetDatagramSocket(socket, handler, isConnecting)
    this.#sockets.add(made)
    socket.once('close', () => this.#sockets.delete(made))
    return made
  }
}

class NetDatagramSocket implements DatagramSocket {
  readonly #socket: Socket
  /** What was sent before the connection stood, which takes a turn; null once it does. */
  #early: Uint8Array[] | null
  #earlyBytes = 0
  isClosed = false

  constructor(socket: Socket, handler: DatagramHandler, isConnecting: boolean) {
    this.#socket = socket
    this.#early = isConnecting ? [] : null
    socket.on('message', (bytes, { address, port }) => {
      if (!this.isClosed) handler.onDatagram(bytes, { host: plainHost(address), port })
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message
      if (this.isClosed || passing.has(code)) return
      this.close()
      handler.onFailed(code)
    })
  }

  connected(): void {
    const early = this.#early ?? []
    this.#early = null
    if (!this.isClosed) for (const bytes of early) this.#socket.send(bytes)
  }

  send(bytes: Uint8Array, to?: Address): boolean {
    if (this.isClosed) return false
    if (this.#early !== null) return this.#keep(this.#early, bytes)
    if (this.#socket.getSendQueueSize() + bytes.length > queuedBytesLimit) return false
    // Without a callback a failed send would be an error of the socket.
    if (to === undefined) this.#socket.send(bytes)
    else this.#socket.send(bytes, to.port, to.host, () => {})
    return true
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#socket.close()
  }

  #keep(early: Uint8Array[], bytes: Uint8Array): boolean {
    if (this.#earlyBytes + bytes.length > queuedBytesLimit) return false
    this.#earlyBytes += bytes.length
    early.push(bytes)
    return true
  }
}

/** Hosts are addresses already. One turn later all the same: nobody is called before `bind` returns. */
function lookup(
  host: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  process.nextTick(callback, null, host, isIPv6(host) ? 6 : 4)
}
