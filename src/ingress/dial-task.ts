import { encodeProxyHeader } from '../wire/proxy-protocol.ts'
import type { DialHandler } from './end.ts'
import type { Address, Loop } from './loop.ts'
import type { Routes } from './routes.ts'
import { TaskEnd } from './socket-end.ts'
import type { TrafficBook } from './counts/traffic.ts'
import type { DatagramLoop } from './udp/datagram-loop.ts'
import type { FlowDialHandler } from './udp/flow-end.ts'
import { TaskFlow } from './udp/task-flow.ts'

/** A connection that wants to reach one task: the contents of an OPEN, and how long it waits. */
export interface DialRequest {
  readonly task: string
  /** The assignment that the caller means: another one of the same task is not it. */
  readonly generation: number
  readonly targetPort: number
  readonly proxyProtocol: 'none' | 'v1' | 'v2'
  readonly client: Address
  /** Where the client connected to. */
  readonly destination: Address
  readonly protocol?: 'udp'
  /** Absent: three seconds. Each node keeps its own: it is no part of an OPEN. */
  readonly connectTimeoutMs?: number
}

/** Gives up a dial that is under way; later it does nothing. */
export type CancelDial = () => void

/** Each has a descriptor. */
const flowsLimit = 8192
export const defaultConnectTimeoutMs = 3000

/** Dials tasks that run on this node, for its own clients and for its peers. */
export class TaskDialer {
  readonly #loop: Loop
  readonly #routes: Routes
  readonly #datagrams: DatagramLoop
  readonly #traffic: TrafficBook
  #flows = 0

  constructor(deps: {
    readonly loop: Loop
    readonly datagrams: DatagramLoop
    readonly routes: Routes
    readonly traffic: TrafficBook
  }) {
    this.#loop = deps.loop
    this.#datagrams = deps.datagrams
    this.#routes = deps.routes
    this.#traffic = deps.traffic
  }

  dial(request: DialRequest, handler: DialHandler): CancelDial {
    const address = this.#routes.target(request.task, request.generation, request.targetPort)
    if (address === null) {
      handler.onFailed({ kind: 'gone' })
      return () => {}
    }
    const given = {
      address,
      timeoutMs: request.connectTimeoutMs ?? defaultConnectTimeoutMs,
      preface: prefaceOf(request),
      traffic: this.#traffic.of(request.task),
    }
    const end = new TaskEnd(this.#loop, given, handler)
    return () => end.cancel()
  }

  /** Answers before it returns: UDP has nothing to wait for. */
  dialFlow(request: DialRequest, handler: FlowDialHandler): CancelDial {
    const address = this.#routes.target(request.task, request.generation, request.targetPort)
    if (address === null) handler.onFailed({ kind: 'gone' })
    else if (this.#flows >= flowsLimit) handler.onFailed({ kind: 'failed', cause: 'overflow' })
    else {
      this.#flows += 1
      const traffic = this.#traffic.of(request.task)
      const onOver = (): void => void (this.#flows -= 1)
      handler.onOpen(new TaskFlow({ datagrams: this.#datagrams, address, traffic, onOver }))
    }
    return () => {}
  }
}

function prefaceOf({ proxyProtocol, client, destination }: DialRequest): Uint8Array | null {
  if (proxyProtocol === 'none') return null
  return encodeProxyHeader(proxyProtocol, { source: client, destination })
}
