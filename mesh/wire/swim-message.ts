import * as z from 'zod'
import { unreachable } from '../base/assert.ts'
import { isId, nodeId } from '../base/ids.ts'
import type { MessageBody, Rumour, Sender, SwimMessage } from '../membership/message.ts'
import type { Sizes } from '../membership/outbox.ts'
import type { MemberMeta } from '../membership/types.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'

/**
 * A SWIM packet is JSON without names, so that several rumours fit into one datagram:
 * `[version, body, sender, alive, suspects, dead, left]`, the rumours sorted by what they say.
 */
const version = 1
/** Over any datagram that a member sends; below what would cost time to refuse. */
const maxPacketBytes = 2048
const maxRumours = 64

const id = z
  .string()
  .refine(isId, 'must be a node id')
  .transform((text) => nodeId(text))
const seq = z.uint32()
/** Leaves room above: a member that refutes must be able to count on. */
const incarnation = z
  .int()
  .min(0)
  .max(2 ** 52)
const address = z.string().min(1).max(300)

const meta = z
  .tuple([z.string().min(1).max(255), address, address, address])
  .transform(([name, gossipAddress, controlAddress, dataPathAddress]): MemberMeta => {
    return { name, gossipAddress, controlAddress, dataPathAddress }
  })

const body = z.union([
  z
    .tuple([z.literal('ping'), seq, id])
    .transform(([kind, seq, target]): MessageBody => ({ kind, seq, target })),
  z
    .tuple([z.literal('ack'), seq, id])
    .transform(([kind, seq, subject]): MessageBody => ({ kind, seq, subject })),
  z.tuple([z.literal('gossip')]).transform(([kind]): MessageBody => ({ kind })),
  z
    .tuple([z.literal('ask'), seq, id, address])
    .transform(([, seq, target, targetAddress]): MessageBody => {
      return { kind: 'ping-request', seq, target, targetAddress }
    }),
  z
    .tuple([z.literal('nack'), seq, id])
    .transform(([kind, seq, subject]): MessageBody => ({ kind, seq, subject })),
])

const sender = z
  .tuple([id, incarnation, z.int().min(0).max(255), meta])
  .transform(([id, incarnation, health, meta]): Sender => ({ id, incarnation, health, meta }))

const alive = z
  .tuple([id, incarnation, meta])
  .transform(([node, incarnation, meta]): Rumour => ({ kind: 'alive', node, incarnation, meta }))

const accusation = (kind: 'suspect' | 'dead') =>
  z
    .tuple([id, incarnation, id])
    .transform(([node, incarnation, by]): Rumour => ({ kind, node, incarnation, by }))

const left = z
  .tuple([id, incarnation])
  .transform(([node, incarnation]): Rumour => ({ kind: 'left', node, incarnation }))

/** By what they say: alive, suspects, dead, left; each list of at most `max`. */
export function rumourLists(max: number) {
  return [
    z.array(alive).max(max),
    z.array(accusation('suspect')).max(max),
    z.array(accusation('dead')).max(max),
    z.array(left).max(max),
  ] as const
}

const packet: z.ZodType<SwimMessage> = z
  .tuple([z.literal(version), body, sender, ...rumourLists(maxRumours)])
  .transform(([, body, sender, ...rumours]) => ({ ...body, sender, rumours: rumours.flat() }))

export function encodeSwimMessage(message: SwimMessage): Uint8Array {
  return encodeJson(wirePacket(message))
}

/** Never throws: a packet that is not understood is refused with a reason. */
export function decodeSwimMessage(bytes: Uint8Array): SwimMessage | FrameRefused {
  if (bytes.length > maxPacketBytes) return { refused: `longer than ${maxPacketBytes} bytes` }
  return decodeJson(packet, bytes)
}

/** What the membership rules need to know of this encoding to fill a packet. */
export const swimSizes: Sizes = {
  messageBytes: (message) => encodeSwimMessage(message).length,
  // And the comma before the next one.
  rumourBytes: (rumour) => encodeJson(wireRumour(rumour)).length + 1,
}

function wirePacket(message: SwimMessage): unknown {
  const { sender, rumours } = message
  const { id, incarnation, health, meta } = sender
  const wireSender = [id, incarnation, health, wireMeta(meta)]
  return [version, wireBody(message), wireSender, ...wireRumours(rumours)]
}

/** As `rumourLists` reads them. */
export const wireRumours = (rumours: readonly Rumour[]): unknown[][] =>
  (['alive', 'suspect', 'dead', 'left'] as const).map((kind) =>
    rumours.filter((rumour) => rumour.kind === kind).map(wireRumour),
  )

function wireBody(body: MessageBody): unknown {
  switch (body.kind) {
    case 'ping':
      return ['ping', body.seq, body.target]
    case 'ping-request':
      return ['ask', body.seq, body.target, body.targetAddress]
    case 'ack':
      return ['ack', body.seq, body.subject]
    case 'nack':
      return ['nack', body.seq, body.subject]
    case 'gossip':
      return ['gossip']
    default:
      return unreachable(body)
  }
}

function wireRumour(rumour: Rumour): unknown {
  switch (rumour.kind) {
    case 'alive':
      return [rumour.node, rumour.incarnation, wireMeta(rumour.meta)]
    case 'suspect':
    case 'dead':
      return [rumour.node, rumour.incarnation, rumour.by]
    case 'left':
      return [rumour.node, rumour.incarnation]
    default:
      return unreachable(rumour)
  }
}

const wireMeta = (meta: MemberMeta): unknown => [
  meta.name,
  meta.gossipAddress,
  meta.controlAddress,
  meta.dataPathAddress,
]
