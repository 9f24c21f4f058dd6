import type { Address, ListenSpec } from '../loop.ts'

/** The kernel's UDP as the ingress sees it, beside the loop. No method calls a handler by itself. */
export interface DatagramLoop {
  /** Receives from everybody, and answers from the address that it is bound to. */
  bind(spec: ListenSpec, handler: DatagramHandler): DatagramSocket
  /** Talks with one address: nobody else's datagrams come in. */
  connect(to: Address, handler: DatagramHandler): DatagramSocket
  /** Closes everything. */
  stop(): void
}

export interface DatagramSocket {
  /** To whom it is connected, or to `to`. False: dropped, since too much waits. */
  send(bytes: Uint8Array, to?: Address): boolean
  /** No event follows. */
  close(): void
}

export interface DatagramHandler {
  /** It is bound; comes first. A connected one is ready from the start. */
  onBound(): void
  /** The bytes are the receiver's. */
  onDatagram(bytes: Uint8Array, from: Address): void
  /** The last event. A connected one hears here that nobody listens there. */
  onFailed(code: string): void
}
