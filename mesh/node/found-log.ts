import { assert } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import type { Transaction } from '../catalog/types.ts'
import { encodeConfChange } from '../raft/conf-change.ts'
import type { Entry } from '../raft/types.ts'
import type { RaftStorage } from '../storage/raft-storage.ts'
import { encodeTransaction } from '../wire/transaction.ts'
import { raftIdOf } from './raft-id.ts'

/**
 * The beginning of a cluster's log, as if agreed: the founder is its only voter, and the table holds
 * what the founding transaction says. Managers that join later start with an empty log instead.
 */
export async function foundLog(
  storage: RaftStorage,
  founder: NodeId,
  founding: Transaction,
): Promise<void> {
  assert(storage.isEmpty, 'a cluster is founded on an empty log')
  const change = encodeConfChange({
    transition: 'auto',
    changes: [{ kind: 'add-node', node: raftIdOf(founder) }],
    context: new TextEncoder().encode(founder),
  })
  const entries: Entry[] = [
    { term: 1, index: 1, kind: 'conf-change-v2', data: change },
    { term: 1, index: 2, kind: 'normal', data: encodeTransaction(founding) },
  ]
  const hardState = { term: 1, vote: 0, commit: 2 }
  await storage.save({ hardState, entries, snapshot: null, mustSync: true })
}
