import type { PlantedBug } from './planted-bug.ts'

export const bugsInElections: readonly PlantedBug[] = [
  {
    name: 'a vote that is not persisted',
    file: 'mesh/raft/raft-node.ts',
    find: 'entries.length > 0 || hardState.vote !== previous.vote || hardState.term !== previous.term,',
    replace: 'entries.length > 0,',
  },
  {
    name: 'a vote for a shorter log',
    file: 'mesh/raft/raft-log.ts',
    find: 'return their.term > last.term || (their.term === last.term && their.index >= last.index)',
    replace: 'return their.term >= last.term',
  },
  {
    name: 'a leader that does not step down before a later term',
    file: 'mesh/raft/step.ts',
    find: '  raft.becomeFollower(term, isFromLeader ? from : 0)\n  return true',
    replace:
      "  if (raft.role === 'leader') raft.term = term\n  else raft.becomeFollower(term, isFromLeader ? from : 0)\n  return true",
  },
  {
    name: 'one of two joint majorities is enough',
    file: 'mesh/raft/quorum.ts',
    find: "  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'",
    replace: "  return incoming === 'won' || outgoing === 'won' ? 'won' : 'pending'",
  },
  {
    name: 'a second vote in the same term',
    file: 'mesh/raft/election.ts',
    find: 'const isFree = raft.vote === 0 && raft.lead === 0',
    replace: 'const isFree = raft.lead === 0',
  },
]
