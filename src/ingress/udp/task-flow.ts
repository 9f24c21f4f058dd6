import type { Address } from '../loop.ts'
import type { Traffic } from '../counts/traffic.ts'
import type { DatagramHandler, DatagramLoop, DatagramSocket } from './datagram-loop.ts'
import type { FlowEnd, FlowHandler } from './flow-end.ts'

export interface TaskFlowGiven {
  readonly datagrams: DatagramLoop
  readonly address: Address
  readonly traffic: Traffic
  readonly onOver: () => void
}

/** The datagrams of one client to a task of this node; a socket of its own tells its answers apart. */
export class TaskFlow implements FlowEnd, DatagramHandler {
  readonly #socket: DatagramSocket
  readonly #traffic: Traffic
  readonly #onOver: () => void
  #handler: FlowHandler | null = null
  #isOpen = true

  constructor({ datagrams, address, traffic, onOver }: TaskFlowGiven) {
    this.#traffic = traffic
    this.#onOver = onOver
    traffic.opened += 1
    traffic.open += 1
    this.#socket = datagrams.connect(address, this)
  }

  setHandler(handler: FlowHandler): void {
    this.#handler = handler
  }

  send(bytes: Uint8Array): boolean {
    const isSent = this.#socket.send(bytes)
    if (isSent) this.#traffic.bytesIn += bytes.length
    else this.#traffic.dropped += 1
    return isSent
  }

  close(): void {
    this.#over()
    this.#socket.close()
  }

  onBound(): void {}

  onDatagram(bytes: Uint8Array): void {
    this.#traffic.bytesOut += bytes.length
    this.#handler?.onDatagram(bytes)
  }

  /** Nobody listens there any more. */
  onFailed(): void {
    this.#over()
    this.#handler?.onClosed()
  }

  #over(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#traffic.open -= 1
    this.#onOver()
  }
}
