import { encodeConfChangeV1 } from '../../mesh/raft/conf-change.ts'
import { makeMessage, noBytes } from '../../mesh/raft/message.ts'
import type { RaftOptions } from '../../mesh/raft/raft-options.ts'
import type { ConfChange, Message, RaftId, Snapshot } from '../../mesh/raft/types.ts'
import { parseConfChanges } from './conf-change-cases.ts'
import type { Argument, Case } from './data-driven.ts'
import { messageNames, renderMessage } from './etcd-text.ts'
import { errorTexts, InteractionEnv } from './interaction-env.ts'
import { InteractionMember } from './interaction-member.ts'

type Command = (env: InteractionEnv, given: Case) => string | void

/** The commands of a transcript, on one network of nodes. A returned text is an error. */
export class InteractionCases {
  readonly #env = new InteractionEnv()

  run(given: Case): string {
    const command = commands[given.command]
    if (command === undefined) throw new Error(`unknown command ${given.command}`)
    const error = command(this.#env, given) ?? ''
    const written = this.#env.takeOutput()
    const output = this.#env.isQuiet ? error : written + error
    return output === '' ? 'ok' : output
  }
}

const commands: Readonly<Record<string, Command>> = {
  'add-nodes': addNodes,
  campaign: (env, given) => memberOf(env, given).node.campaign(),
  compact,
  'deliver-msgs': deliverMessages,
  'log-level': (env, { args }) => {
    env.isQuiet = args[0]?.key.toLowerCase() === 'none'
  },
  'process-ready': processReady,
  propose: (env, given) => {
    const data = new TextEncoder().encode(given.args[1]?.key)
    return errorOf(memberOf(env, given).node.propose(data))
  },
  'propose-conf-change': proposeConfChange,
  'raft-log': (env, given) => env.writeLog(memberOf(env, given)),
  'raft-state': (env) => env.writeStates(),
  'report-unreachable': (env, given) => {
    const [reporter, lost = 0] = idsOf(given)
    env.member(reporter ?? 0).node.reportUnreachable(lost)
  },
  'send-snapshot': sendSnapshot,
  'set-randomized-election-timeout': (env, given) => {
    memberOf(env, given).node.overrideElectionTicks(numberOf(given, 'timeout'))
  },
  stabilize,
  status: (env, given) => env.writeStatus(memberOf(env, given)),
  'tick-election': (env, given) => {
    const { node, options } = memberOf(env, given)
    for (let tick = 0; tick < options.electionTicks; tick++) node.tick()
  },
  'tick-heartbeat': (env, given) => {
    const { node, options } = memberOf(env, given)
    for (let tick = 0; tick < options.heartbeatTicks; tick++) node.tick()
  },
  'transfer-leadership': (env, given) => {
    env.member(numberOf(given, 'from')).node.transferLeader(numberOf(given, 'to'))
  },
}

/** Transcripts run without limits, unless they set one. */
const optionsStub: Omit<RaftOptions, 'id'> = {
  electionTicks: 3,
  heartbeatTicks: 1,
  maxBytesPerMessage: Infinity,
  maxCommittedBytesPerReady: Infinity,
  maxUncommittedBytes: Infinity,
  maxInflightMessages: 2 ** 31 - 1,
  maxInflightBytes: Infinity,
  isPreVoteOn: false,
  isCheckQuorumOn: false,
  stepDownOnRemoval: false,
  disableConfChangeValidation: false,
  disableProposalForwarding: false,
  readOnly: 'safe',
}

/** What etcd's core can and ours, which has no use for it, cannot; null when a case needs none of it. */
export function leftOutIn(given: Case): string | null {
  const { command, args } = given
  if (command === 'forget-leader') return 'forget-leader'
  const isThread = command === 'process-append-thread' || command === 'process-apply-thread'
  const isAsync = args.some(({ key, values }) => key === asyncOption && values[0] === 'true')
  return isThread || (command === 'add-nodes' && isAsync) ? 'asynchronous storage writes' : null
}

const asyncOption = 'async-storage-writes'

const optionReaders: Readonly<Record<string, (value: string) => Partial<RaftOptions>>> = {
  [asyncOption]: () => ({}),
  inflight: (value) => ({ maxInflightMessages: Number(value) }),
  prevote: (value) => ({ isPreVoteOn: value === 'true' }),
  checkquorum: (value) => ({ isCheckQuorumOn: value === 'true' }),
  'max-committed-size-per-ready': (value) => ({ maxCommittedBytesPerReady: Number(value) }),
  'disable-conf-change-validation': (value) => ({ disableConfChangeValidation: value === 'true' }),
  'read-only': (value) => ({ readOnly: value === 'lease-based' ? 'lease-based' : 'safe' }),
  'step-down-on-removal': (value) => ({ stepDownOnRemoval: value === 'true' }),
}

/** What describes the state that the nodes start from, not the nodes. */
const snapshotKeys = new Set(['voters', 'learners', 'index', 'content'])

function addNodes(env: InteractionEnv, given: Case): string | void {
  const [count, ...args] = given.args
  const start = readStart(given)
  if (start.meta.term > 0 && start.meta.index <= 1) {
    return 'index must be specified as > 1 due to bootstrap'
  }
  let options: Omit<RaftOptions, 'id'> = { ...optionsStub, applied: start.meta.index }
  for (const { key, values } of args) {
    if (snapshotKeys.has(key)) continue
    const reader = optionReaders[key]
    if (reader === undefined) throw new Error(`unknown option ${key}`)
    options = { ...options, ...reader(values[0] ?? '') }
  }
  for (let added = 0; added < Number(count?.key); added++) {
    env.members.push(new InteractionMember({ ...options, id: env.members.length + 1 }, start))
  }
}

/** The snapshot that all of them hold; an empty one, of term 0, when nothing is said about it. */
function readStart(given: Case): Snapshot {
  const voters = valuesOf(given, 'voters').map(Number)
  const learners = valuesOf(given, 'learners').map(Number)
  const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false }
  const content = valuesOf(given, 'content')[0] ?? ''
  const index = Number(valuesOf(given, 'index')[0] ?? 0)
  const isEmpty = index === 0 && voters.length === 0 && learners.length === 0 && content === ''
  return {
    meta: { index, term: isEmpty ? 0 : 1, confState },
    data: new TextEncoder().encode(content),
  }
}

function compact(env: InteractionEnv, given: Case): string | void {
  const member = memberOf(env, given)
  const result = member.log.compact(Number(given.args[1]?.key))
  if (result === 'compacted') return 'requested index is unavailable due to compaction'
  env.writeLog(member)
}

function deliverMessages(env: InteractionEnv, given: Case): void {
  const kind = kindNamed(valuesOf(given, 'type')[0])
  let handled = 0
  for (const { key, values } of given.args) {
    if (values.length === 0) {
      const messages = env.takeMessages(Number(key), kind)
      handled += messages.length
      env.deliver(messages)
    }
    for (const id of key === 'drop' ? values : []) {
      const messages = env.takeMessages(Number(id), kind)
      handled += messages.length
      for (const message of messages) env.write(`dropped: ${renderMessage(message)}\n`)
    }
  }
  if (handled === 0) env.write('no messages\n')
}

function kindNamed(name: string | undefined): Message['kind'] | null {
  if (name === undefined) return null
  const found = Object.entries(messageNames).find(([, etcdName]) => etcdName === name)
  if (found === undefined) throw new Error(`unknown message type ${name}`)
  return found[0] as Message['kind']
}

function processReady(env: InteractionEnv, given: Case): void {
  const ids = idsOf(given)
  for (const id of ids) {
    if (ids.length === 1) {
      env.processReady(env.member(id))
    } else {
      env.write(`> ${id} handling Ready\n`)
      env.indented(() => env.processReady(env.member(id)))
    }
  }
}

function proposeConfChange(env: InteractionEnv, given: Case): string | void {
  const { id, node } = memberOf(env, given)
  const changes = parseConfChanges(given.input)
  if (valuesOf(given, 'v1')[0] !== 'true') {
    const transition = transitions[valuesOf(given, 'transition')[0] ?? 'auto']
    if (transition === undefined) throw new Error('unknown transition')
    return errorOf(node.proposeConfChange({ transition, changes, context: noBytes }))
  }
  const [change] = changes
  if (change === undefined || changes.length > 1) throw new Error('v1 makes one change')
  const data = encodeConfChangeV1(change, noBytes)
  const entries = [{ term: 0, index: 0, kind: 'conf-change' as const, data }]
  return errorOf(node.step(makeMessage('propose', 0, { from: id, entries })))
}

const transitions: Readonly<Record<string, ConfChange['transition']>> = {
  auto: 'auto',
  implicit: 'joint-implicit',
  explicit: 'joint-explicit',
}

function sendSnapshot(env: InteractionEnv, given: Case): void {
  const [from = 0, to = 0] = idsOf(given)
  const { node, latest } = env.member(from)
  const { term } = node.status()
  const message = makeMessage('snapshot', to, { from, term, snapshot: latest })
  env.messages.push(message)
  env.write(renderMessage(message))
}

function stabilize(env: InteractionEnv, given: Case): void {
  const level = valuesOf(given, 'log-level')[0]
  const wasQuiet = env.isQuiet
  if (level !== undefined) env.isQuiet = level.toLowerCase() === 'none'
  const ids = idsOf(given)
  env.stabilize(ids.length === 0 ? env.members : ids.map((id) => env.member(id)))
  if (env.isQuiet) env.takeOutput()
  env.isQuiet = wasQuiet
}

const memberOf = (env: InteractionEnv, given: Case): InteractionMember =>
  env.member(idsOf(given)[0] ?? 0)

/** The arguments that are bare numbers. */
const idsOf = ({ args }: Case): RaftId[] => args.filter(isBareNumber).map(({ key }) => Number(key))

const isBareNumber = ({ key, values }: Argument): boolean =>
  values.length === 0 && /^\d+$/.test(key)

const valuesOf = ({ args }: Case, key: string): readonly string[] =>
  args.find((arg) => arg.key === key)?.values ?? []

const numberOf = (given: Case, key: string): number => Number(valuesOf(given, key)[0])

const errorOf = (result: 'ok' | keyof typeof errorTexts): string | void =>
  result === 'ok' ? undefined : errorTexts[result]
