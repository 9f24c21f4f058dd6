import * as z from 'zod'

/**
 * What an ingress has counted since it started, of what it serves now. Each list is bounded; what
 * finds no place in it is added up under `othersId`.
 */
export interface IngressCounts {
  /** By entry, where clients come in. */
  readonly ports: readonly TrafficOf[]
  /** By task, where it runs. */
  readonly tasks: readonly TrafficOf[]
  /** By entry that speaks HTTP. */
  readonly http: readonly HttpCountOf[]
  /** By entry and task behind it, wherever that runs. */
  readonly httpTasks: readonly HttpCountOf[]
  /** By node at the other end of tunnels. */
  readonly peers: readonly PeerCountOf[]
}

export const othersId = 'others'

export interface TrafficCount {
  readonly opened: number
  readonly open: number
  /** Connections that never reached a task. */
  readonly failed: number
  /** From clients towards tasks, and back. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams that found no room, either way. */
  readonly dropped: number
}

export interface HttpCount {
  readonly requests: number
  readonly inFlight: number
  readonly retries: number
  readonly ejections: number
  readonly latencySumMs: number
  /** By the first digit of the status. */
  readonly statusClasses: readonly number[]
  /** As many as bounds, and one: not cumulative. */
  readonly latencies: readonly number[]
  /** In the order of `failureKinds`. */
  readonly failures: readonly number[]
}

export interface PeerCount {
  /** Streams and flows that this node opened, or was asked to open. */
  readonly opened: number
  readonly open: number
  /** The peer said that its task is gone. */
  readonly gone: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly pings: number
  /** Pings that were not answered in time. */
  readonly latePings: number
}

export type TrafficOf = TrafficCount & { readonly id: string }
export type HttpCountOf = HttpCount & { readonly id: string }
export type PeerCountOf = PeerCount & { readonly id: string }

/** Upper bounds of the latency histogram, in milliseconds; the last bucket has none. */
export const latencyBoundsMs: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
]

/** Why a request got an answer of ours, or none. */
export const failureKinds = [
  'bad-request',
  'client-timeout',
  'client-gone',
  'no-task',
  'connect',
  'broken-answer',
  'answer-timeout',
] as const

export type FailureKind = (typeof failureKinds)[number]

/** A published port of one service: whoever publishes it next starts from nothing. */
export interface Entry {
  readonly serviceId: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

export const entryId = ({ serviceId, protocol, port }: Entry): string =>
  `${serviceId}/${protocol}/${port}`

export const entryTaskId = (entry: Entry, task: string): string => `${entryId(entry)}/${task}`

/** Null when it is `othersId`. */
export function parseEntryId(id: string): (Entry & { readonly task: string | null }) | null {
  const match = /^([^/]*)\/(tcp|udp)\/(\d{1,5})(?:\/(.+))?$/.exec(id)
  if (match === null) return null
  const protocol = match[2] === 'udp' ? 'udp' : 'tcp'
  return { serviceId: match[1] ?? '', protocol, port: Number(match[3]), task: match[4] ?? null }
}

/** How many of each an ingress tells by name: a bound of what a scrape of one node can cost. */
export const countLimits = {
  ports: 512,
  tasks: 512,
  http: 256,
  httpTasks: 256,
  peers: 256,
} as const satisfies Record<keyof IngressCounts, number>

const count = z.number().min(0)
const id = z.string().max(256)
const traffic = z.object({
  id,
  opened: count,
  open: count,
  failed: count,
  bytesIn: count,
  bytesOut: count,
  dropped: count,
})
const http = z.object({
  id,
  requests: count,
  inFlight: count,
  retries: count,
  ejections: count,
  latencySumMs: count,
  statusClasses: z.array(count).length(6),
  latencies: z.array(count).length(latencyBoundsMs.length + 1),
  failures: z.array(count).length(failureKinds.length),
})
const peer = z.object({
  id,
  opened: count,
  open: count,
  gone: count,
  bytesIn: count,
  bytesOut: count,
  pings: count,
  latePings: count,
})

export const ingressCounts: z.ZodType<IngressCounts> = z.object({
  ports: z.array(traffic).max(countLimits.ports + 1),
  tasks: z.array(traffic).max(countLimits.tasks + 1),
  http: z.array(http).max(countLimits.http + 1),
  httpTasks: z.array(http).max(countLimits.httpTasks + 1),
  peers: z.array(peer).max(countLimits.peers + 1),
})
