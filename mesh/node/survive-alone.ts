import { drawId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Entry } from '../raft/types.ts'
import type { RaftStorage } from '../storage/raft-storage.ts'
import { encodeTransaction } from '../wire/transaction.ts'
import type { MeshNodeDeps } from './mesh-node-options.ts'
import { loadRaftLife, openRaftLog, saveRaftLife } from './raft-files.ts'
import { nextRaftId } from './raft-id.ts'
import { StateMachine } from './state-machine.ts'

/**
 * Lost managers may have agreed on more than this one heard of. What it agrees on with itself must
 * count as newer for all who follow, and no index may stand for two things.
 */
export const indexesSkipped = 1_000_000

/**
 * Makes the log of a manager that is left over the log of a cluster of one: all that is in it
 * counts, and the others are managers no longer. Its new life has another number, so that whatever
 * the lost ones still say to the old one is not heard. Repeating it after a crash does no harm.
 */
export async function surviveAlone(identity: NodeIdentity, deps: MeshNodeDeps): Promise<void> {
  const { disk, log } = deps
  const self = identity.nodeId
  if (identity.role !== 'manager') throw new MeshError({ code: 'recovery/not-a-manager' })
  const former = await loadRaftLife(disk, self)
  const storage = await openRaftLog(former, { disk, log: log.child('raft') })
  const state = stateOf(storage)
  if (!deps.policy.members(state.catalog).some(({ node }) => node === self)) {
    throw new MeshError({ code: 'recovery/no-state' })
  }
  const raftId = nextRaftId(self, former.raftId)
  if (raftId === null) throw new MeshError({ code: 'recovery/too-often' })
  // The number first: with it and the old log this node is a member of nothing.
  await saveRaftLife(disk, { raftId, hasLog: true })
  const index = storage.lastIndex() + indexesSkipped
  const term = storage.initialState().hardState.term + 1
  const request = drawId(deps.random)
  const changes = deps.policy.survive(state.catalog, { node: self, raftId })
  const data = encodeTransaction({ request, atMs: deps.clock.nowMs(), changes })
  const { outcome } = state.apply({ term, index, kind: 'normal', data })
  if (outcome?.result.kind !== 'applied') throw new MeshError({ code: 'recovery/refused' })
  const confState = {
    voters: [raftId],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  }
  const peers = deps.policy.members(state.catalog).map(({ node }) => node)
  await storage.save({
    snapshot: { meta: { index, term, confState }, data: await state.encode(peers) },
    hardState: { term, vote: 0, commit: index },
    entries: [],
    mustSync: true,
  })
  await storage.close()
  log.warn({ index, term, raftId }, 'this node is the only manager now, as it was told to be')
}

/**
 * Also what is not known to be committed: it may have been acknowledged, and who could tell is
 * gone. In whole, the log is what some leader wrote, in its order.
 */
function stateOf(storage: RaftStorage): StateMachine {
  const state = new StateMachine()
  const snapshot = storage.snapshot()
  if (snapshot !== null) state.restore(snapshot.data)
  const from = (snapshot?.meta.index ?? 0) + 1
  const entries = storage.entries(from, storage.lastIndex() + 1, Infinity)
  const known: readonly Entry[] = typeof entries === 'string' ? [] : entries
  for (const entry of known) state.apply(entry)
  return state
}
