/**
 * The kernel as the ingress sees it. Relay, HTTP and tunnel are written once over this interface;
 * `NetLoop` implements it over `node:net`, a ring over io_uring fits under it too. Hence:
 * connections are numbers with a generation in them, so that a late event of a closed connection
 * can never touch its successor; received bytes lie in slabs that belong to the loop, and every
 * slab is given back exactly once, by `send` or by `release`. No method calls a handler before it
 * has returned: events come from turns of the loop.
 */
export interface Loop {
  listen(spec: ListenSpec, acceptor: Acceptor): Listening
  /** Closes the listener only; its connections live on. */
  unlisten(listening: Listening): void
  /** The connection starts paused; exactly one of `onConnected` and `onClosed` comes first. */
  connect(to: Address, handler: ConnectionHandler, timeoutMs: number): Conn
  /** What a slab holds. Valid until the slab is given back. */
  memory(slab: Slab): Uint8Array
  release(slab: Slab): void
  /** Makes a slab of bytes that did not come from this loop; they must not change afterwards. */
  slabOf(bytes: Uint8Array): Slab
  /**
   * Takes the slab over and sends a part of it. False when so much waits that the source should
   * pause until `onDrained`; whoever goes on regardless has the connection reset (`overflow`).
   */
  send(conn: Conn, slab: Slab, offset: number, length: number): boolean
  pause(conn: Conn): void
  resume(conn: Conn): void
  /** Half-close: FIN once everything queued has left; receiving goes on. */
  shutdown(conn: Conn): void
  /** RST at once; no event of this connection follows. */
  reset(conn: Conn): void
  /** Sends what is queued, then FIN, and ignores what still comes; no event follows. */
  close(conn: Conn): void
  remoteAddress(conn: Conn): Address
  localAddress(conn: Conn): Address
  /** Runs once, when every event of this turn has been delivered: the place to flush. */
  atTurnEnd(action: () => void): void
  /** Resets every connection and closes every listener. */
  stop(): void
}

export type Conn = number & { readonly __brand: 'Conn' }
export type Slab = number & { readonly __brand: 'Slab' }
export type Listening = number & { readonly __brand: 'Listening' }

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ListenSpec extends Address {
  /** Several listeners, in several threads, share the port; the kernel spreads connections. */
  readonly shared: boolean
  /** With host `::`: leave IPv4 to another listener; absent, clients of both come in here. */
  readonly isV6Only?: boolean
}

export interface Acceptor {
  onListening(at: Address): void
  onListenFailed(code: string): void
  /** The connection starts paused. Null refuses it with a reset. */
  onAccept(conn: Conn): ConnectionHandler | null
}

/** Why a connection is gone. `ended` is the orderly end: both sides have said all they had to say. */
export type CloseCause =
  | 'ended'
  | 'reset'
  | 'refused'
  | 'timed-out'
  | 'unreachable'
  | 'overflow'
  | 'failed'

export interface ConnectionHandler {
  onConnected(conn: Conn): void
  /** The receiver owns the slab from here on. */
  onReceive(conn: Conn, slab: Slab, offset: number, length: number): void
  /** The peer has half-closed. */
  onEnd(conn: Conn): void
  /** Follows a `send` that answered false, once there is room again. */
  onDrained(conn: Conn): void
  /** The last event; the number is dead. */
  onClosed(conn: Conn, cause: CloseCause): void
}

/** `host:port`, with brackets around IPv6; null when it is none. */
export function parseAddress(text: string): Address | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : null
}

/** An IPv4 client of a dual-stack listener is an IPv4 client. */
export function plainHost(host: string | undefined): string {
  return (host ?? '').replace(/^::ffff:(?=\d+\.)/, '')
}
