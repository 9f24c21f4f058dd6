import type { PlantedBug } from './planted-bug.ts'

export const bugsInSnapshotsAndReads: readonly PlantedBug[] = [
  {
    name: 'the history of requests is not in the snapshot',
    file: 'mesh/catalog/catalog.ts',
    find: 'yield* listText(catalog.parts.requests.entries())',
    replace: 'yield* listText([])',
  },
  {
    name: 'a snapshot that is out of date is taken over',
    file: 'mesh/raft/reconfiguration.ts',
    find: '  if (index <= raft.log.committed) return false\n',
    replace: '',
  },
  {
    name: 'a read without a quorum',
    file: 'mesh/raft/read-index.ts',
    find: "if (raft.options.readOnly === 'lease-based') {",
    replace: "if (raft.role === 'leader') {",
  },
]
