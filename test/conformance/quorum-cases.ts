import {
  jointCommitted,
  jointIds,
  jointVote,
  majorityCommitted,
  majorityVote,
  type AckedIndex,
  type JointVoters,
} from '../../mesh/raft/quorum.ts'
import type { RaftId } from '../../mesh/raft/types.ts'
import type { Case } from './data-driven.ts'

/** `committed` and `vote`: one majority, or two of them when `cfgj` is given. */
export function runQuorumCase(given: Case): string {
  const incoming = readIds(given, 'cfg')
  const outgoing = readIds(given, 'cfgj')
  const isJoint = given.args.some(({ key }) => key === 'cfgj')
  const voters = { incoming: new Set(incoming), outgoing: new Set(outgoing) }
  const answers = assignAnswers(given, [...incoming, ...outgoing])
  if (typeof answers === 'string') return answers
  return given.command === 'committed'
    ? runCommitted(voters, isJoint, answers)
    : runVote(voters, isJoint, answers)
}

function readIds({ args }: Case, key: string): RaftId[] {
  const values = args.find((arg) => arg.key === key)?.values ?? []
  return values.filter((value) => value !== 'zero').map(Number)
}

/** Answers are listed for the voters as they first appear; `_` is a voter that has not answered. */
function assignAnswers({ args }: Case, ids: readonly RaftId[]): Map<RaftId, string> | string {
  const answers = args.find(({ key }) => key === 'idx' || key === 'votes')?.values ?? []
  const voters = [...new Set(ids)]
  if (voters.length !== answers.length) {
    return `error: ${voters.length} voters, but ${answers.length} answers`
  }
  const pairs = voters.map((voter, at): [RaftId, string] => [voter, answers[at] ?? '_'])
  return new Map(pairs.filter(([, answer]) => answer !== '_'))
}

function runCommitted(
  voters: JointVoters,
  isJoint: boolean,
  answers: ReadonlyMap<RaftId, string>,
): string {
  const acked: AckedIndex = (voter) => {
    const answer = answers.get(voter)
    return answer === undefined ? undefined : Number(answer)
  }
  const index = isJoint ? jointCommitted(voters, acked) : majorityCommitted(voters.incoming, acked)
  const swapped = { incoming: voters.outgoing, outgoing: voters.incoming }
  const selfJoint = { incoming: voters.incoming, outgoing: voters.incoming }
  // Each must be the same number, found on another way.
  const others: [number, string][] = isJoint
    ? [[jointCommitted(swapped, acked), 'via symmetry']]
    : [
        [committedByCounting(voters.incoming, acked), 'via alternative computation'],
        [jointCommitted({ ...voters, outgoing: new Set() }, acked), 'via zero-joint quorum'],
        [jointCommitted(selfJoint, acked), 'via self-joint quorum'],
      ]
  const wrong = others
    .filter(([other]) => other !== index)
    .map(([other, way]) => `${describeIndex(other)} <-- ${way}\n`)
  return `${describeAcked(jointIds(voters), acked)}${wrong.join('')}${describeIndex(index)}\n`
}

/** The slow way: for each index that somebody holds, count who holds it. */
function committedByCounting(voters: ReadonlySet<RaftId>, acked: AckedIndex): number {
  if (voters.size === 0) return Infinity
  const indexes = Array.from(voters, (voter) => acked(voter) ?? 0)
  const isHeldByMajority = (index: number): boolean =>
    indexes.filter((held) => held >= index).length > voters.size / 2
  return Math.max(0, ...indexes.filter(isHeldByMajority))
}

function runVote(
  voters: JointVoters,
  isJoint: boolean,
  answers: ReadonlyMap<RaftId, string>,
): string {
  const votes = new Map(Array.from(answers, ([voter, answer]) => [voter, answer === 'y']))
  if (!isJoint) return `${voteNames[majorityVote(voters.incoming, votes)]}\n`
  const result = jointVote(voters, votes)
  const swapped = jointVote({ incoming: voters.outgoing, outgoing: voters.incoming }, votes)
  const wrong = swapped === result ? '' : `${voteNames[swapped]} <-- via symmetry\n`
  return `${wrong}${voteNames[result]}\n`
}

const voteNames = { pending: 'VotePending', lost: 'VoteLost', won: 'VoteWon' }

const describeIndex = (index: number): string => (index === Infinity ? '∞' : String(index))

/** A bar for each voter: as long as the number of voters that hold less. */
function describeAcked(ids: readonly RaftId[], acked: AckedIndex): string {
  if (ids.length === 0) return '<empty majority quorum>'
  const pad = ' '.repeat(ids.length)
  const lines = ids.map((id) => {
    const index = acked(id)
    const below = ids.filter((other) => (acked(other) ?? 0) < (index ?? 0)).length
    const bar = index === undefined ? `?${pad}` : `${'x'.repeat(below)}>`.padEnd(ids.length + 1)
    return `${bar} ${String(index ?? 0).padStart(5)}    (id=${id.toString(16)})\n`
  })
  return `${pad}    idx\n${lines.join('')}`
}
