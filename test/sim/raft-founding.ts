import type { Change, NewObject, Transaction } from '../../mesh/catalog/types.ts'
import { foundLog } from '../../mesh/node/found-log.ts'
import { raftIdOf } from '../../mesh/node/raft-id.ts'
import { encodeConfChange } from '../../mesh/raft/conf-change.ts'
import type { ConfChange, ConfChangeSingle, Entry } from '../../mesh/raft/types.ts'
import type { RaftStorage } from '../../mesh/storage/raft-storage.ts'
import { encodeTransaction } from '../../mesh/wire/transaction.ts'
import { createNode, idOf } from '../mesh/node/consensus-cluster.ts'

/** What clients read and write. */
export const registers: readonly string[] = ['k0', 'k1', 'k2']

export const registerObject = (key: string, value: string): NewObject => ({
  kind: 'service',
  id: key,
  claims: [],
  body: { value },
})

/** The first machine founds the cluster; the managers among the others are taken in by it. */
export async function foundSimply(
  storage: RaftStorage,
  names: readonly string[],
  managers: number,
): Promise<void> {
  const [founder = ''] = names
  // A founder that crashed early founds nothing anew.
  if (storage.isEmpty) await foundLog(storage, idOf(founder), founding(names, managers))
}

/**
 * As if agreed: the cluster is on its way from its first three machines to its last three, and
 * nobody ends the change, so that every election, commit and read needs both majorities.
 */
export async function foundInJoint(storage: RaftStorage, names: readonly string[]): Promise<void> {
  if (!storage.isEmpty) return
  const change = (kind: ConfChangeSingle['kind'], at: number): ConfChangeSingle => ({
    kind,
    node: raftIdOf(idOf(names[at] ?? '')),
  })
  const steps: ConfChange[] = [0, 1, 2].map((at) => confChange('auto', [change('add-node', at)]))
  const both = [change('remove-node', 0), change('remove-node', 1)]
  both.push(change('add-node', 3), change('add-node', 4))
  steps.push(confChange('joint-explicit', both))
  const data = [
    ...steps.map((step) => ({ kind: 'conf-change-v2' as const, data: encodeConfChange(step) })),
    { kind: 'normal' as const, data: encodeTransaction(founding(names, names.length)) },
  ]
  const entries = data.map((entry, at): Entry => ({ term: 1, index: at + 1, ...entry }))
  const hardState = { term: 1, vote: 0, commit: entries.length }
  await storage.save({ hardState, entries, snapshot: null, mustSync: true })
}

const confChange = (
  transition: ConfChange['transition'],
  changes: readonly ConfChangeSingle[],
): ConfChange => ({ transition, changes, context: new Uint8Array() })

function founding(names: readonly string[], managers: number): Transaction {
  const nodes = names.map((name, at) => createNode(name, at < managers ? 'manager' : 'worker'))
  const services = registers.map((key): Change => ({
    kind: 'create',
    object: registerObject(key, 'first'),
  }))
  return { request: 'founding', atMs: 1, changes: [...nodes, ...services] }
}
