import { RaftNode } from '../raft/raft-node.ts'
import { lanRaftOptions } from '../raft/raft-options.ts'
import type { RaftId } from '../raft/types.ts'
import type { ConsensusOptions } from './consensus-options.ts'

/** Proposals go to the leader by a protocol of ours, which answers; Raft's own forwarding does not. */
export function openRaft(given: ConsensusOptions, id: RaftId, applied: number): RaftNode {
  const { storage, random, log } = given
  const options = {
    ...lanRaftOptions,
    id,
    disableProposalForwarding: true,
    applied,
  }
  // What the core says of each step is for its developers; what changed is told by the driver.
  const tell = (level: string, text: string): void =>
    level === 'warn' ? log.warn({}, text) : log.debug({}, text)
  return new RaftNode(options, { storage, random, log: tell })
}
