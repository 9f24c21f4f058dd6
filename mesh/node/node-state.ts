import * as z from 'zod'
import type { Disk } from '../base/disk.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { MemberAddress } from '../catalog/policy.ts'
import { encodeIdentity, identityFile, type NodeIdentity } from '../identity/node-identity.ts'
import { storageKeyPath } from '../storage/storage-key.ts'
import type { Guarded } from '../storage/vault.ts'
import { clearRaftFiles } from './raft-files.ts'
import { removeSavedTable } from './saved-table.ts'
import { decodeJson, encodeJson, isRefused } from '../wire/frames.ts'
import { memberAddress } from '../wire/member-address.ts'

/** What a node must remember to come back without a token: who it is, and whom it knows. */
export interface NodeState {
  readonly identity: NodeIdentity
  readonly acquaintance: Acquaintance
}

/** What opens the gossip, and where to start looking for it. */
export interface Acquaintance {
  /** AES-256 keys, base64; the first one seals. */
  readonly gossipKeys: readonly string[]
  readonly members: readonly MemberAddress[]
}

const identityPath = 'identity.json'
const acquaintancePath = 'members.json'

/** What may be locked: private keys, the key of the log, and those of the gossip. */
export const guardedFiles: Guarded = {
  paths: [identityPath, acquaintancePath, storageKeyPath],
  anchor: identityPath,
}

const acquaintanceFile: z.ZodType<Acquaintance> = z.strictObject({
  gossipKeys: z.array(z.base64()).min(1).max(16),
  members: z.array(memberAddress).max(10_000),
})

/** Null when this node was never a member of a cluster. */
export async function loadNodeState(disk: Disk): Promise<NodeState | null> {
  const identity = await load(disk, identityPath, identityFile)
  const acquaintance = await load(disk, acquaintancePath, acquaintanceFile)
  return identity === null || acquaintance === null ? null : { identity, acquaintance }
}

/** The identity last: a node without one starts anew, one with it must have everything. */
export async function saveNodeState(disk: Disk, state: NodeState): Promise<void> {
  await saveAcquaintance(disk, state.acquaintance)
  await saveIdentity(disk, state.identity)
}

export async function saveIdentity(disk: Disk, identity: NodeIdentity): Promise<void> {
  await disk.replace(identityPath, encodeJson(encodeIdentity(identity)))
}

export async function saveAcquaintance(disk: Disk, known: Acquaintance): Promise<void> {
  await disk.replace(acquaintancePath, encodeJson(known))
}

/** As if this machine had never been a member of a cluster. The identity first: without it nothing counts. */
export async function forgetMembership(disk: Disk): Promise<void> {
  await disk.remove(identityPath)
  await disk.remove(acquaintancePath)
  await removeSavedTable(disk)
  await clearRaftFiles(disk)
}

async function load<T>(disk: Disk, path: string, schema: z.ZodType<T>): Promise<T | null> {
  const bytes = await disk.read(path)
  if (bytes === null) return null
  const decoded = decodeJson(schema, bytes)
  if (!isRefused(decoded)) return decoded
  throw new MeshError({ code: 'storage/corrupt', path, what: decoded.refused })
}
