import { decodeConfChange } from '../../mesh/raft/conf-change.ts'
import type { PeerStatus } from '../../mesh/raft/raft-status.ts'
import type {
  ConfChangeKind,
  ConfState,
  Entry,
  EntryKind,
  HardState,
  Message,
  MessageKind,
  RaftId,
  Ready,
  Role,
  Snapshot,
} from '../../mesh/raft/types.ts'

/** How etcd's transcripts write what passes through a Raft node. */

export const roleNames: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  'pre-candidate': 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
}

export const messageNames: Readonly<Record<MessageKind, string>> = {
  hup: 'MsgHup',
  beat: 'MsgBeat',
  propose: 'MsgProp',
  append: 'MsgApp',
  'append-response': 'MsgAppResp',
  vote: 'MsgVote',
  'vote-response': 'MsgVoteResp',
  snapshot: 'MsgSnap',
  heartbeat: 'MsgHeartbeat',
  'heartbeat-response': 'MsgHeartbeatResp',
  unreachable: 'MsgUnreachable',
  'snapshot-status': 'MsgSnapStatus',
  'check-quorum': 'MsgCheckQuorum',
  'transfer-leader': 'MsgTransferLeader',
  'timeout-now': 'MsgTimeoutNow',
  'read-index': 'MsgReadIndex',
  'read-index-response': 'MsgReadIndexResp',
  'pre-vote': 'MsgPreVote',
  'pre-vote-response': 'MsgPreVoteResp',
}

const entryNames: Readonly<Record<EntryKind, string>> = {
  normal: 'EntryNormal',
  'conf-change': 'EntryConfChange',
  'conf-change-v2': 'EntryConfChangeV2',
}

const changeLetters: Readonly<Record<ConfChangeKind, string>> = {
  'add-node': 'v',
  'add-learner': 'l',
  'remove-node': 'r',
  'update-node': 'u',
}

const peerStates = { probe: 'StateProbe', replicate: 'StateReplicate', snapshot: 'StateSnapshot' }

export function renderReady(ready: Ready): string {
  const lines: string[] = []
  const { softState, hardState, readStates, entries, snapshot, committed, messages } = ready
  if (softState) lines.push(`Lead:${softState.lead} State:${roleNames[softState.role]}`)
  if (hardState) lines.push(`HardState ${renderHardState(hardState)}`)
  if (readStates.length > 0) {
    const states = readStates.map(({ index, context }) => `{${index} [${context.join(' ')}]}`)
    lines.push(`ReadStates [${states.join(' ')}]`)
  }
  if (entries.length > 0) lines.push('Entries:', ...entries.map(renderEntry))
  if (snapshot) lines.push(`Snapshot ${renderSnapshot(snapshot)}`)
  if (committed.length > 0) lines.push('CommittedEntries:', ...committed.map(renderEntry))
  if (messages.length > 0) lines.push('Messages:', ...messages.map(renderMessage))
  if (lines.length === 0) return '<empty Ready>'
  return `Ready MustSync=${ready.mustSync}:\n${lines.join('\n')}\n`
}

function renderHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === 0 ? '' : ` Vote:${vote}`} Commit:${commit}`
}

export function renderEntry(entry: Entry): string {
  const content = renderContent(entry)
  const tail = content === '' ? '' : ` ${content}`
  return `${entry.term}/${entry.index} ${entryNames[entry.kind]}${tail}`
}

function renderContent(entry: Entry): string {
  if (entry.kind === 'normal') return JSON.stringify(new TextDecoder().decode(entry.data))
  const change = decodeConfChange(entry)
  if (change === null) return 'unreadable'
  return change.changes.map(({ kind, node }) => `${changeLetters[kind]}${node}`).join(' ')
}

export function renderMessage(message: Message): string {
  const { kind, term, logTerm, index, entries, snapshot } = message
  const ends = `${renderId(message.from)}->${renderId(message.to)}`
  let text = `${ends} ${messageNames[kind]} Term:${term} Log:${logTerm}/${index}`
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`
  if (message.commit !== 0) text += ` Commit:${message.commit}`
  if (message.vote !== 0) text += ` Vote:${message.vote}`
  const shown = entries.map(renderEntry)
  if (shown.length === 1) text += ` Entries:[${shown[0]}]`
  if (shown.length > 1) text += ` Entries:[${shown.map((entry) => `\n  ${entry}`).join('')}\n]`
  if (snapshot) text += `\n  Snapshot: ${renderSnapshot(snapshot)}`
  return text
}

const renderId = (id: RaftId): string => (id === 0 ? 'None' : id.toString(16))

const renderSnapshot = ({ meta }: Snapshot): string =>
  `Index:${meta.index} Term:${meta.term} ConfState:${renderConfState(meta.confState)}`

function renderConfState(state: ConfState): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = state
  const sets = [
    `Voters:[${voters.join(' ')}]`,
    `VotersOutgoing:[${votersOutgoing.join(' ')}]`,
    `Learners:[${learners.join(' ')}]`,
    `LearnersNext:[${learnersNext.join(' ')}]`,
  ]
  return `${sets.join(' ')} AutoLeave:${autoLeave}`
}

export function renderPeer(peer: PeerStatus): string {
  const words = [peerStates[peer.state], `match=${peer.match}`, `next=${peer.next}`]
  if (peer.isLearner) words.push('learner')
  if (peer.isPaused) words.push('paused')
  if (peer.pendingSnapshot > 0) words.push(`pendingSnap=${peer.pendingSnapshot}`)
  if (!peer.isRecentlyActive) words.push('inactive')
  const full = peer.isInflightFull ? '[full]' : ''
  if (peer.inflightMessages > 0) words.push(`inflight=${peer.inflightMessages}${full}`)
  return words.join(' ')
}
