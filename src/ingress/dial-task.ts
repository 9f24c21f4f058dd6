import { encodeProxyHeader } from '../wire/proxy-protocol.ts'
import type { DialHandler } from './end.ts'
import type { Address, Loop } from './loop.ts'
import type { Routes } from './routes.ts'
import { TaskEnd } from './socket-end.ts'
import type { TrafficBook } from './traffic.ts'

/** A connection that wants to reach one task: the contents of an OPEN. */
export interface DialRequest {
  readonly task: string
  /** The assignment that the caller means: another one of the same task is not it. */
  readonly generation: number
  readonly targetPort: number
  readonly proxyProtocol: 'none' | 'v1' | 'v2'
  readonly client: Address
  /** Where the client connected to. */
  readonly destination: Address
}

/** Gives up a dial that is under way; later it does nothing. */
export type CancelDial = () => void

const connectTimeoutMs = 3000

/** Dials tasks that run on this node, for its own clients and for its peers. */
export class TaskDialer {
  readonly #loop: Loop
  readonly #routes: Routes
  readonly #traffic: TrafficBook

  constructor(deps: {
    readonly loop: Loop
    readonly routes: Routes
    readonly traffic: TrafficBook
  }) {
    this.#loop = deps.loop
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
      timeoutMs: connectTimeoutMs,
      preface: prefaceOf(request),
      traffic: this.#traffic.of(request.task),
    }
    const end = new TaskEnd(this.#loop, given, handler)
    return () => end.cancel()
  }
}

function prefaceOf({ proxyProtocol, client, destination }: DialRequest): Uint8Array | null {
  if (proxyProtocol === 'none') return null
  return encodeProxyHeader(proxyProtocol, { source: client, destination })
}
