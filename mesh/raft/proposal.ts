import { decodeConfChange } from './conf-change.ts'
import { isJoint } from './configuration.ts'
import { noBytes } from './message.ts'
import type { EntryDraft, Raft } from './raft.ts'
import { broadcastAppend } from './replication.ts'
import type { ConfChange, Message, ProposalRefusal } from './types.ts'

/** New entries, proposed here or forwarded to us. */
export function propose(raft: Raft, message: Message): 'ok' | ProposalRefusal {
  if (message.entries.length === 0) return 'proposal-dropped'
  if (raft.role === 'leader') return proposeEntries(raft, message.entries)
  // A candidate knows no leader either.
  if (raft.lead === 0) return 'no-leader'
  if (raft.options.disableProposalForwarding) return 'proposal-dropped'
  raft.send({ ...message, to: raft.lead, term: 0 })
  return 'ok'
}

function proposeEntries(raft: Raft, drafts: readonly EntryDraft[]): 'ok' | ProposalRefusal {
  // Removed from the membership while it leads: nobody would count its own log.
  if (!raft.tracker.progress.has(raft.id)) return 'proposal-dropped'
  // The heir would have to wait for what is appended now.
  if (raft.leadTransferee !== 0) return 'proposal-dropped'

  const accepted: EntryDraft[] = []
  for (const [at, draft] of drafts.entries()) {
    const checked = checkConfChange(raft, draft, raft.log.lastIndex + at + 1)
    if (checked === null) return 'proposal-dropped'
    accepted.push(checked)
  }
  if (!raft.appendEntries(accepted)) return 'proposal-dropped'
  broadcastAppend(raft)
  return 'ok'
}

/** The entry to append in its place; null when it cannot be read and would stop everybody. */
function checkConfChange(raft: Raft, draft: EntryDraft, index: number): EntryDraft | null {
  if (draft.kind === 'normal') return draft
  const change = decodeConfChange(draft)
  if (change === null) return null
  const because = objection(raft, change)
  if (because !== null && !raft.options.disableConfChangeValidation) {
    raft.say('info', `ignores a change of membership: ${because}`)
    // An empty entry stands in for it, so that the entries behind it keep their places.
    return { kind: 'normal', data: noBytes }
  }
  raft.pendingConfIndex = index
  return draft
}

/** Best effort, against what is applied here and now; the proposer must serialise its changes. */
function objection(raft: Raft, change: ConfChange): string | null {
  const isInJoint = isJoint(raft.tracker.configuration)
  const wantsToLeave = change.changes.length === 0
  if (raft.pendingConfIndex > raft.log.applied) return 'another one may not be applied yet'
  if (isInJoint && !wantsToLeave) return 'the joint configuration must be left first'
  if (!isInJoint && wantsToLeave) return 'there is no joint configuration to leave'
  return null
}
