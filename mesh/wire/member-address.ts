import * as z from 'zod'
import { isId, nodeId, type NodeId } from '../base/ids.ts'
import type { MemberAddress } from '../catalog/policy.ts'

export const nodeIdText: z.ZodType<NodeId> = z
  .string()
  .refine(isId, 'must be a node id')
  .transform((text) => nodeId(text))

/** `host:port`, IPv6 in brackets; the host may be empty. */
export const hostPortText: z.ZodType<string> = z
  .string()
  .max(300)
  .regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:[\]]*):\d{1,5}$/, 'must be host:port')

/** Where a member is, as a join tells it and a node remembers it. */
export const memberAddress: z.ZodType<MemberAddress> = z.object({
  node: nodeIdText,
  name: z.string().max(255),
  role: z.enum(['manager', 'worker']),
  peerId: z.string().max(100),
  gossipAddress: hostPortText,
  controlAddress: hostPortText,
  dataPathAddress: hostPortText,
  raftId: z.int().positive().exactOptional(),
})
