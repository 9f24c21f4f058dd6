import type { Clock } from '../../mesh/base/clock.ts'
import type { Completion } from '../kernel/ring.ts'
import type { Sockets } from '../kernel/sockets.ts'
import type { Acceptor, Listening, ListenSpec } from './loop.ts'

export const keepAliveSeconds = 15
/** A burst of clients beyond this would wait a second for their second SYN. */
const acceptBacklog = 4096
/** After the kernel had no descriptor for a client. */
const acceptAgainMs = 50

export interface RingListenersDeps {
  readonly clock: Clock
  readonly sockets: Sockets
  /** At the next turn. */
  readonly soon: (action: () => void) => void
  /** Accepts from now on, and says so under this tag. */
  readonly arm: (fd: number, tag: number) => void
  readonly giveUp: (fd: number) => void
  /** False: there is no room for one more. */
  readonly onClient: (fd: number, acceptor: Acceptor) => boolean
}

interface Listener {
  readonly fd: number
  readonly listening: Listening
  readonly acceptor: Acceptor
}

/** Whom the ring accepts for. Their numbers are never used again. */
export class RingListeners {
  readonly #deps: RingListenersDeps
  readonly #listeners = new Map<Listening, Listener>()
  #next = 1

  constructor(deps: RingListenersDeps) {
    this.#deps = deps
  }

  open(spec: ListenSpec, acceptor: Acceptor): Listening {
    const { sockets, soon } = this.#deps
    const listening = this.#next++ as Listening
    const { host, port, shared, isV6Only = false } = spec
    const options = { host, port, shared, isV6Only, backlog: acceptBacklog, keepAliveSeconds }
    const opened = sockets.listen(options)
    if ('code' in opened) {
      soon(() => acceptor.onListenFailed(opened.code))
      return listening
    }
    const listener = { fd: opened.fd, listening, acceptor }
    this.#listeners.set(listening, listener)
    soon(() => {
      if (!this.#listeners.has(listening)) return
      this.#accept(listener)
      acceptor.onListening(sockets.localAddress(listener.fd) ?? { host, port })
    })
    return listening
  }

  close(listening: Listening): void {
    const listener = this.#listeners.get(listening)
    if (listener === undefined) return
    this.#listeners.delete(listening)
    this.#deps.sockets.shutdown(listener.fd)
    this.#deps.giveUp(listener.fd)
  }

  closeAll(): void {
    for (const listening of this.#listeners.keys()) this.close(listening)
  }

  accepted(tag: number, { value, hasMore }: Completion): void {
    const listener = this.#listeners.get(tag as Listening)
    if (listener === undefined) {
      if (value >= 0) this.#refuse(value)
      return
    }
    if (!hasMore) this.#acceptAgain(listener, value < 0 ? acceptAgainMs : 0)
    if (value >= 0 && !this.#deps.onClient(value, listener.acceptor)) this.#refuse(value)
  }

  #accept(listener: Listener): void {
    this.#deps.arm(listener.fd, listener.listening)
  }

  #acceptAgain(listener: Listener, delayMs: number): void {
    this.#deps.clock.after(delayMs, () => {
      if (this.#listeners.has(listener.listening)) this.#accept(listener)
    })
  }

  #refuse(fd: number): void {
    this.#deps.sockets.disconnect(fd)
    this.#deps.giveUp(fd)
  }
}
