import type { PlantedBug } from './planted-bug.ts'

export const bugsInSnapshotsAndReads: readonly PlantedBug[] = [
  {
    name: 'a snapshot older than the log is taken over',
    file: 'mesh/raft/reconfiguration.ts',
    find: 'if (index <= raft.log.committed) return false',
    replace: 'if (index === raft.log.committed) return false',
  },
  {
    name: 'the history of requests is not in the snapshot',
    file: 'mesh/catalog/catalog.ts',
    find: 'const requests = [...catalog.parts.requests.entries()]',
    replace: 'const requests: RememberedRequest[] = []',
  },
  {
    name: 'a read without a quorum',
    file: 'mesh/raft/read-index.ts',
    find: "if (raft.options.readOnly === 'lease-based') {",
    replace: "if (raft.role === 'leader') {",
  },
  {
    name: 'a read before the first commit of the term',
    file: 'mesh/raft/read-index.ts',
    find: '} else if (raft.hasCommittedInTerm) {',
    replace: "} else if (raft.role === 'leader') {",
  },
  {
    name: 'a read joins a question that was asked before it',
    file: 'mesh/node/reads.ts',
    find: 'for (const waiter of waiters) waiter.index ??= index',
    replace: 'for (const waiter of [...waiters, ...this.#waiters]) waiter.index ??= index',
  },
]
