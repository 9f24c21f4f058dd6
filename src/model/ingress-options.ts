import { parseByteSize } from './byte-size.ts'
import { parseGoDuration } from './go-duration.ts'
import { isIpAddress, isIpRange } from './ip-range.ts'

/** What the labels `mesh.ingress.<published>.<option>` of a service ask for one of its ports. */
export interface IngressOptions {
  readonly protocol: 'tcp' | 'http'
  /** `draws`: the better of two drawn at random. */
  readonly balance: 'draws' | 'least' | 'round-robin' | 'source-hash'
  readonly prefer: 'any' | 'local'
  readonly proxyProtocol: 'none' | 'v1' | 'v2'
  /** Addresses of nodes to listen on; empty: those that a node serves by itself. */
  readonly listen: readonly string[]
  /**
   * Clients, as addresses or CIDRs, that are believed when they say for whom they speak: with `tcp`
   * by a PROXY header, which each of their connections must begin with.
   */
  readonly trust: readonly string[]
  /** How long a task may take to accept. */
  readonly connectTimeoutMs: number
  /** How long nothing may pass, either way; null: the default of the port's protocol. */
  readonly idleTimeoutMs: number | null
  /** Open at once on one node; null: no limit. */
  readonly maxConnections: number | null
  /** Of one client address, likewise. */
  readonly maxConnectionsPerSource: number | null
  /** A request's head must have arrived whole within this. */
  readonly headTimeoutMs: number
  readonly maxHeadBytes: number
  /** How long the client may neither send its body on nor take more of the answer. */
  readonly bodyTimeoutMs: number
  /** From the end of a request to the first byte of its answer. */
  readonly answerTimeoutMs: number
  /** How long a client's connection may wait for its next request. */
  readonly keepAliveTimeoutMs: number
  /** Null: as much as the client likes. */
  readonly maxBodyBytes: number | null
  /** Of so many requests one is told in the access log, drawn at random; null: none. */
  readonly accessLogEvery: number | null
}

export const defaultIngressOptions: IngressOptions = {
  protocol: 'tcp',
  balance: 'draws',
  prefer: 'any',
  proxyProtocol: 'none',
  listen: [],
  trust: [],
  connectTimeoutMs: 3000,
  idleTimeoutMs: null,
  maxConnections: null,
  maxConnectionsPerSource: null,
  headTimeoutMs: 10_000,
  maxHeadBytes: 16 * 1024,
  bodyTimeoutMs: 25_000,
  answerTimeoutMs: 15_000,
  keepAliveTimeoutMs: 60_000,
  maxBodyBytes: null,
  accessLogEvery: null,
}

export interface IngressOption {
  /** Null when the value is none. */
  readonly read: (value: string) => Partial<IngressOptions> | null
  /** All there are, when they can be listed; else what a value must be. */
  readonly values: readonly string[] | string
  /** Has an effect with this protocol only. */
  readonly only: IngressOptions['protocol'] | null
}

/** By name; the order is that in which people read them. */
export const ingressOptions: Readonly<Record<string, IngressOption>> = {
  protocol: word({ tcp: { protocol: 'tcp' }, http: { protocol: 'http' } }),
  prefer: word({ any: { prefer: 'any' }, local: { prefer: 'local' } }),
  balance: word({
    least: { balance: 'least' },
    'round-robin': { balance: 'round-robin' },
    'source-hash': { balance: 'source-hash' },
  }),
  'proxy-protocol': word({ v1: { proxyProtocol: 'v1' }, v2: { proxyProtocol: 'v2' } }),
  listen: list(isIpAddress, 'IP addresses such as 10.0.0.7,fd00::7', (listen) => ({ listen })),
  trust: list(isIpRange, 'addresses or CIDRs such as 10.0.0.0/8,192.0.2.7', (trust) => ({ trust })),
  'connect-timeout': duration((connectTimeoutMs) => ({ connectTimeoutMs }), null),
  'idle-timeout': duration((idleTimeoutMs) => ({ idleTimeoutMs }), null),
  'max-connections': amount((maxConnections) => ({ maxConnections })),
  'max-connections-per-source': amount((maxConnectionsPerSource) => ({ maxConnectionsPerSource })),
  'head-timeout': duration((headTimeoutMs) => ({ headTimeoutMs })),
  'body-timeout': duration((bodyTimeoutMs) => ({ bodyTimeoutMs })),
  'answer-timeout': duration((answerTimeoutMs) => ({ answerTimeoutMs })),
  'keep-alive-timeout': duration((keepAliveTimeoutMs) => ({ keepAliveTimeoutMs })),
  'max-head': size([1024, 64 * 1024], (maxHeadBytes) => ({ maxHeadBytes }), '1k to 64k'),
  'max-body': size([0, 2 ** 50], (maxBodyBytes) => ({ maxBodyBytes }), 'a size such as 10m'),
  'access-log': share((accessLogEvery) => ({ accessLogEvery })),
}

function word(values: Readonly<Record<string, Partial<IngressOptions>>>): IngressOption {
  return {
    read: (value) => (Object.hasOwn(values, value) ? (values[value] ?? null) : null),
    values: Object.keys(values),
    only: null,
  }
}

function list(
  isOne: (text: string) => boolean,
  values: string,
  set: (items: readonly string[]) => Partial<IngressOptions>,
): IngressOption {
  const most = 64
  return {
    read: (value) => {
      const items = value.split(',').map((item) => item.trim())
      return items.length <= most && items.every(isOne) ? set([...new Set(items)]) : null
    },
    values,
    only: null,
  }
}

function amount(set: (count: number) => Partial<IngressOptions>): IngressOption {
  const most = 1_000_000
  return {
    read: (value) =>
      /^[1-9]\d{0,6}$/.test(value) && Number(value) <= most ? set(Number(value)) : null,
    values: `a number from 1 to ${most}`,
    only: null,
  }
}

function duration(
  set: (ms: number) => Partial<IngressOptions>,
  only: IngressOption['only'] = 'http',
): IngressOption {
  const longestMs = 24 * 3_600_000
  return {
    read: (value) => {
      const ms = parseGoDuration(value)
      return ms !== null && ms >= 1 && ms <= longestMs ? set(ms) : null
    },
    values: 'a duration such as 10s or 1m30s, at most 24h',
    only,
  }
}

function size(
  [least, most]: readonly [number, number],
  set: (bytes: number) => Partial<IngressOptions>,
  values: string,
): IngressOption {
  return {
    read: (value) => {
      const bytes = parseByteSize(value)
      return bytes !== null && bytes >= least && bytes <= most ? set(bytes) : null
    },
    values,
    only: 'http',
  }
}

function share(set: (every: number) => Partial<IngressOptions>): IngressOption {
  return {
    read: (value) => {
      const every = value === 'all' ? '1' : /^1\/([1-9]\d{0,6})$/.exec(value)?.[1]
      return every === undefined ? null : set(Number(every))
    },
    values: 'all, or a share such as 1/100',
    only: 'http',
  }
}

/** Names of the options that mean something for a published UDP port. */
export const udpOptions: readonly string[] = [
  'prefer',
  'balance',
  'listen',
  'idle-timeout',
  'max-connections',
  'max-connections-per-source',
]
