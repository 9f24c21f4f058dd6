import type { DialFailure } from '../end.ts'

/** One end of a relayed flow of datagrams: a socket, or a flow of a tunnel. */
export interface FlowEnd {
  setHandler(handler: FlowHandler): void
  /** False: dropped, since too much waits. */
  send(bytes: Uint8Array): boolean
  /** No event follows. */
  close(): void
}

export interface FlowHandler {
  onDatagram(bytes: Uint8Array): void
  /** The last event: the task is gone, or the way to it. */
  onClosed(): void
}

/** What becomes of a dial: exactly one of the two is called, unless it is given up first. */
export interface FlowDialHandler {
  onOpen(end: FlowEnd): void
  onFailed(failure: DialFailure): void
}
