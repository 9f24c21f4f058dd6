import * as z from 'zod'
import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import type { ListenerOptions, RouteTable } from '../routing/route-table.ts'
import { ingressCounts, type IngressCounts } from './ingress-counts.ts'

/**
 * What meshd and its ingress say to each other on the unix socket in the data directory:
 * length-prefixed JSON. The first message each way is `hello` and `ready`; when their versions
 * differ, meshd replaces the ingress.
 */
export const ingressMessageLimit = 16 * 1024 * 1024

/** All of a node's identity that the data path needs: the libp2p key stays with meshd. */
export interface TunnelIdentity {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly role: 'manager' | 'worker'
  readonly peerId: string
  readonly certificatePem: string
  readonly tlsKeyPem: string
  readonly caCertificatesPem: readonly string[]
}

export type ToIngress =
  | { readonly kind: 'hello'; readonly version: string }
  | { readonly kind: 'identity'; readonly identity: TunnelIdentity }
  | { readonly kind: 'routes'; readonly table: RouteTable }
  /** Refuse new connections to the task, and report the open ones until there are none. */
  | { readonly kind: 'drain'; readonly task: string }
  | { readonly kind: 'shutdown'; readonly graceful: boolean }

export type FromIngress =
  | { readonly kind: 'ready'; readonly version: string; readonly pid: number }
  | { readonly kind: 'applied'; readonly version: number }
  /** All ports (`80`, `53/udp`) that another program holds now; empty when there are none any more. */
  | { readonly kind: 'port-conflicts'; readonly ports: readonly string[] }
  /** All that the ingress listens on, or would like to; a moment after they change. */
  | { readonly kind: 'places'; readonly places: readonly PlaceState[] }
  /** Whether a peer's data path answers. */
  | { readonly kind: 'peer-status'; readonly node: NodeId; readonly answers: boolean }
  | { readonly kind: 'open-connections'; readonly task: string; readonly open: number }
  | { readonly kind: 'counters'; readonly counts: IngressCounts }
  /** It accepts nothing more and ends soon. When meshd did not ask for it, a signal did. */
  | { readonly kind: 'stopping' }
  | { readonly kind: 'warning'; readonly message: string; readonly facts: Facts }

export type Facts = Readonly<Record<string, string | number | boolean>>

/** `absent`: this machine does not have the address, now. */
export interface PlaceState {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
  readonly state: 'bound' | 'opening' | 'taken' | 'absent'
}

const node = z.string().transform((text) => nodeId(text))
const port = z.int().min(1).max(65_535)
const count = z.int().min(0)

const options: z.ZodType<ListenerOptions> = z.object({
  protocol: z.enum(['tcp', 'http']),
  balance: z.enum(['draws', 'least', 'round-robin', 'source-hash']),
  prefer: z.enum(['any', 'local']),
  proxyProtocol: z.enum(['none', 'v1', 'v2']),
  listen: z.array(z.string()),
  trust: z.array(z.string()),
  connectTimeoutMs: z.number().positive(),
  idleTimeoutMs: z.number().positive().nullable(),
  maxConnections: count.nullable(),
  maxConnectionsPerSource: count.nullable(),
  headTimeoutMs: z.number().positive(),
  maxHeadBytes: count,
  bodyTimeoutMs: z.number().positive(),
  answerTimeoutMs: z.number().positive(),
  keepAliveTimeoutMs: z.number().positive(),
  maxBodyBytes: count.nullable(),
  accessLogEvery: z.int().min(1).nullable(),
})

const identity: z.ZodType<TunnelIdentity> = z.object({
  nodeId: node,
  clusterId: z.string(),
  role: z.enum(['manager', 'worker']),
  peerId: z.string(),
  certificatePem: z.string(),
  tlsKeyPem: z.string(),
  caCertificatesPem: z.array(z.string()).min(1),
})

const endpoint = z.object({
  task: z.string(),
  node,
  generation: count,
  targetPort: port,
  preferred: z.boolean(),
})

const table: z.ZodType<RouteTable> = z.object({
  version: count,
  self: node,
  listeners: z.array(
    z.object({
      protocol: z.enum(['tcp', 'udp']),
      port,
      serviceId: z.string(),
      serviceName: z.string(),
      options,
      endpoints: z.array(endpoint),
    }),
  ),
  peers: z.array(z.object({ node, address: z.string(), isDead: z.boolean().exactOptional() })),
  localTasks: z.array(
    z.object({
      task: z.string(),
      generation: count,
      draining: z.boolean(),
      targets: z.record(z.string(), z.string()),
    }),
  ),
})

export const toIngress: z.ZodType<ToIngress> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello'), version: z.string() }),
  z.object({ kind: z.literal('identity'), identity }),
  z.object({ kind: z.literal('routes'), table }),
  z.object({ kind: z.literal('drain'), task: z.string() }),
  z.object({ kind: z.literal('shutdown'), graceful: z.boolean() }),
])

const placeState: z.ZodType<PlaceState> = z.object({
  protocol: z.enum(['tcp', 'udp']),
  host: z.string(),
  port,
  state: z.enum(['bound', 'opening', 'taken', 'absent']),
})

export const fromIngress: z.ZodType<FromIngress> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), version: z.string(), pid: z.int() }),
  z.object({ kind: z.literal('applied'), version: count }),
  z.object({ kind: z.literal('port-conflicts'), ports: z.array(z.string()) }),
  z.object({ kind: z.literal('places'), places: z.array(placeState) }),
  z.object({ kind: z.literal('peer-status'), node, answers: z.boolean() }),
  z.object({ kind: z.literal('open-connections'), task: z.string(), open: count }),
  z.object({ kind: z.literal('counters'), counts: ingressCounts }),
  z.object({ kind: z.literal('stopping') }),
  z.object({
    kind: z.literal('warning'),
    message: z.string(),
    facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
])
