import type { PlantedBug } from './planted-bug.ts'

export const bugsInSnapshotsAndReads: readonly PlantedBug[] = [
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
]
