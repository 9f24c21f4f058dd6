import * as z from 'zod'
import { isId, type NodeId, type NodeRole } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import type { MemberAddress } from '../catalog/policy.ts'
import { hostPortText, memberAddress, nodeIdText } from './member-address.ts'
import { isNestedWithin } from './nesting.ts'

/** From a stranger. */
export const maxJoinRequestBytes = 64 * 1024
/** From a server that has proved itself: it names every member. */
export const maxJoinReplyBytes = 1024 * 1024
const maxDescriptionBytes = 16 * 1024
const maxDescriptionLevels = 32

/**
 * Asks for a certificate and proves that the asker holds both keys it names: each proof is a
 * signature over the same statement (see `mesh/identity/certificate-request.ts`). Bytes are base64.
 */
export interface CertificateRequest {
  readonly peerId: string
  /** SubjectPublicKeyInfo of the TLS key, DER. */
  readonly publicKey: string
  readonly tlsProof: string
  readonly peerProof: string
}

/**
 * What a machine says to join. An address is `host:port`; with an empty host (`:7946`) the server
 * fills in the address that it sees the machine come from.
 */
export interface JoinRequest {
  readonly version: 1
  readonly secret: string
  readonly certificateRequest: CertificateRequest
  readonly name: string
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
  readonly availability: 'active' | 'pause' | 'drain'
  /** What its ports answer now, so that the server can tell whether they are open; 32 hex digits. */
  readonly word?: string | undefined
  /** Opaque here: what the machine is and has. */
  readonly description: JsonObject
}

export interface JoinAccepted {
  readonly kind: 'accepted'
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly role: NodeRole
  /** Followed by what leads from it to an authority. */
  readonly certificatePem: string
  /** The one that the token pins, and its successor while that takes over. */
  readonly caCertificatesPem: readonly string[]
  /** AES-256 keys, base64; the first one seals. */
  readonly gossipKeys: readonly string[]
  readonly members: readonly MemberAddress[]
  /** The server's wall clock when it answered. */
  readonly nowMs: number
  /** The host that the server saw the request come from. */
  readonly yourAddress: string
}

export interface JoinRefused {
  readonly kind: 'refused'
  readonly reason: string
}

export type JoinReply = JoinAccepted | JoinRefused

const base64 = (maxLength: number): z.ZodString =>
  z
    .string()
    .max(maxLength)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')

const jsonObject = z.custom<JsonObject>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    isNestedWithin(value, maxDescriptionLevels) &&
    new TextEncoder().encode(JSON.stringify(value)).length <= maxDescriptionBytes,
  `must be an object of at most ${maxDescriptionBytes} bytes and ${maxDescriptionLevels} levels`,
)

export const certificateRequest: z.ZodType<CertificateRequest> = z.object({
  peerId: z.string().regex(/^12D3Koo[A-Za-z0-9]{40,60}$/, 'must be an Ed25519 peer id'),
  publicKey: base64(400),
  tlsProof: base64(200),
  peerProof: base64(200),
})

export const joinRequest: z.ZodType<JoinRequest> = z.object({
  version: z.literal(1),
  secret: z.string().max(100),
  certificateRequest,
  name: z.string().min(1).max(255),
  gossipAddress: hostPortText,
  controlAddress: hostPortText,
  dataPathAddress: hostPortText,
  availability: z.enum(['active', 'pause', 'drain']),
  word: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  description: jsonObject,
})

const pem = z.string().min(1).max(8192)
/** A certificate, and a few above it. */
export const chainText = z.string().min(1).max(40_000)

export const joinReply: z.ZodType<JoinReply> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('accepted'),
    nodeId: nodeIdText,
    clusterId: z.string().refine(isId, 'must be a cluster id'),
    role: z.enum(['manager', 'worker']),
    certificatePem: chainText,
    caCertificatesPem: z.array(pem).min(1).max(4),
    gossipKeys: z.array(base64(44)).min(1).max(8),
    members: z.array(memberAddress).max(1000),
    nowMs: z.number(),
    yourAddress: z.string().max(300),
  }),
  z.object({ kind: z.literal('refused'), reason: z.string().max(1000) }),
])

/** `:7946` said by a machine that was seen at `host` becomes `host:7946`; whole addresses stay. */
function withHost(address: string, host: string): string {
  if (!address.startsWith(':')) return address
  return host.includes(':') ? `[${host}]${address}` : `${host}${address}`
}

/** The same request with every empty host filled in. */
export function withSeenHost(request: JoinRequest, host: string): JoinRequest {
  return {
    ...request,
    gossipAddress: withHost(request.gossipAddress, host),
    controlAddress: withHost(request.controlAddress, host),
    dataPathAddress: withHost(request.dataPathAddress, host),
  }
}
