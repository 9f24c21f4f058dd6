import { isIPv4, isIPv6 } from 'node:net'
import { errorName, type Calls } from './calls.ts'
import { mapAnonymous, type Mapping } from './mapping.ts'

const family4 = 2
const family6 = 10
const stream = 1
const nonBlockingOnExec = 0x80800
const levelSocket = 1
const levelTcp = 6
const levelV6 = 41
const option = { reuseAddress: 2, error: 4, keepAlive: 9, reusePort: 15 } as const
const tcpOption = { noDelay: 1, keepIdle: 4, keepInterval: 5, keepCount: 6 } as const
const v6Only = 26
const inProgress = 115
const noSuchFamily = 97
const keepAliveIntervalSeconds = 1
const keepAliveCount = 10

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

export interface ListenOptions extends SocketAddress {
  readonly shared: boolean
  readonly isV6Only: boolean
  readonly backlog: number
  readonly keepAliveSeconds: number
}

/** A descriptor, or why there is none. */
export type Opened = { readonly fd: number } | { readonly code: string }

/** TCP sockets by number. None of these calls waits. */
export class Sockets {
  readonly #calls: Calls
  /** An address, then its length, then an option's value and its length. */
  readonly #scratch: Mapping
  readonly #address: Uint8Array
  readonly #words: Int32Array

  constructor(calls: Calls) {
    this.#calls = calls
    this.#scratch = mapAnonymous(calls, 4096)
    this.#address = new Uint8Array(this.#scratch.buffer, 0, 28)
    this.#words = new Int32Array(this.#scratch.buffer, 64, 4)
  }

  listen(options: ListenOptions): Opened {
    const opened = this.#open(options.host)
    if ('code' in opened) return opened
    const { fd } = opened
    this.#set(fd, levelSocket, option.reuseAddress, 1)
    if (options.shared) this.#set(fd, levelSocket, option.reusePort, 1)
    if (isIPv6(options.host)) this.#set(fd, levelV6, v6Only, options.isV6Only ? 1 : 0)
    // Who is accepted inherits both.
    this.#tune(fd, options.keepAliveSeconds)
    const isUp =
      this.#calls.bind(fd, this.#scratch.address, this.#write(options)) === 0 &&
      this.#calls.listen(fd, options.backlog) === 0
    return isUp ? opened : this.#giveUp(fd)
  }

  /** Under way, not there yet: whether it got there is for `fault` to say, once it can be written. */
  connect(to: SocketAddress, keepAliveSeconds: number): Opened {
    const opened = this.#open(to.host)
    if ('code' in opened) return opened
    this.#tune(opened.fd, keepAliveSeconds)
    const result = this.#calls.connect(opened.fd, this.#scratch.address, this.#write(to))
    return result === 0 || this.#calls.errno() === inProgress ? opened : this.#giveUp(opened.fd)
  }

  /** The error that waits on a socket, as a code; null when it is well. */
  fault(fd: number): string | null {
    this.#words[0] = 0
    this.#words[1] = 4
    const base = this.#scratch.address
    if (this.#calls.getsockopt(fd, levelSocket, option.error, base + 64n, base + 68n) < 0) {
      return errorName(this.#calls.errno())
    }
    return this.#words[0] === 0 ? null : errorName(this.#words[0])
  }

  localAddress(fd: number): SocketAddress | null {
    return this.#named(this.#calls.getsockname, fd)
  }

  remoteAddress(fd: number): SocketAddress | null {
    return this.#named(this.#calls.getpeername, fd)
  }

  /** FIN. */
  shutdownSending(fd: number): void {
    this.#calls.shutdown(fd, 1)
  }

  /** FIN, and whatever waits on the socket ends. A listener refuses from here on. */
  shutdown(fd: number): void {
    this.#calls.shutdown(fd, 2)
  }

  /** RST at once, whoever else still holds the socket: it is connected to nothing from here on. */
  disconnect(fd: number): void {
    this.#address.fill(0)
    this.#calls.connect(fd, this.#scratch.address, 16)
  }

  close(fd: number): void {
    this.#calls.close(fd)
  }

  #open(host: string): Opened {
    if (!isIPv4(host) && !isIPv6(host)) return { code: errorName(noSuchFamily) }
    const family = isIPv4(host) ? family4 : family6
    const fd = this.#calls.socket(family, stream | nonBlockingOnExec, 0)
    return fd < 0 ? { code: errorName(this.#calls.errno()) } : { fd }
  }

  #giveUp(fd: number): Opened {
    const code = errorName(this.#calls.errno())
    this.#calls.close(fd)
    return { code }
  }

  #tune(fd: number, keepAliveSeconds: number): void {
    this.#set(fd, levelTcp, tcpOption.noDelay, 1)
    this.#set(fd, levelSocket, option.keepAlive, 1)
    this.#set(fd, levelTcp, tcpOption.keepIdle, keepAliveSeconds)
    this.#set(fd, levelTcp, tcpOption.keepInterval, keepAliveIntervalSeconds)
    this.#set(fd, levelTcp, tcpOption.keepCount, keepAliveCount)
  }

  #set(fd: number, level: number, name: number, value: number): void {
    this.#words[0] = value
    this.#calls.setsockopt(fd, level, name, this.#scratch.address + 64n, 4)
  }

  #named(ask: Calls['getsockname'], fd: number): SocketAddress | null {
    this.#words[0] = 28
    const base = this.#scratch.address
    return ask(fd, base, base + 64n) < 0 ? null : readAddress(this.#address)
  }

  #write(at: SocketAddress): number {
    return writeAddress(this.#address, at)
  }
}

/** As `struct sockaddr_in` or `sockaddr_in6`; how long it is. */
export function writeAddress(into: Uint8Array, { host, port }: SocketAddress): number {
  into.fill(0)
  into[2] = port >> 8
  into[3] = port & 0xff
  if (isIPv4(host)) {
    into[0] = family4
    into.set(host.split('.').map(Number), 4)
    return 16
  }
  into[0] = family6
  groupsOf(host).forEach((group, at) => {
    into[8 + at * 2] = group >> 8
    into[9 + at * 2] = group & 0xff
  })
  return 28
}

export function readAddress(from: Uint8Array): SocketAddress {
  const port = ((from[2] ?? 0) << 8) | (from[3] ?? 0)
  if (from[0] === family4) return { host: from.subarray(4, 8).join('.'), port }
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((from[8 + at * 2] ?? 0) << 8) | (from[9 + at * 2] ?? 0)).toString(16),
  )
  const isMapped = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
  if (isMapped) return { host: `::ffff:${from.subarray(20, 24).join('.')}`, port }
  return { host: plainV6(groups.join(':')), port }
}

/** The shortest spelling; a URL's rules are those of RFC 5952. */
function plainV6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1)
}

function groupsOf(host: string): number[] {
  const [zoneless = ''] = host.split('%')
  const [left = '', right = ''] = plainV6(zoneless).split('::')
  const [first, last] = [hexGroups(left), hexGroups(right)]
  const between = Array.from({ length: 8 - first.length - last.length }, () => 0)
  return [...first, ...between, ...last]
}

function hexGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
