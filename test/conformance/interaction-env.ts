import type { Message, RaftId } from '../../mesh/raft/types.ts'
import { renderEntry, renderMessage, renderPeer, renderReady, roleNames } from './etcd-text.ts'
import type { InteractionMember } from './interaction-member.ts'

/** Rounds of one `stabilize`; transcripts need a few dozen at most. */
const maxRounds = 1000

/** The nodes of a transcript, the messages between them, and what has been written down. */
export class InteractionEnv {
  readonly members: InteractionMember[] = []
  messages: Message[] = []
  /** Log level `none`: only errors are written. */
  isQuiet = false
  #output = ''

  member(id: RaftId): InteractionMember {
    const member = this.members[id - 1]
    if (member === undefined) throw new Error(`there is no node ${id}`)
    return member
  }

  write(text: string): void {
    this.#output += text
  }

  takeOutput(): string {
    const output = this.#output
    this.#output = ''
    return output
  }

  processReady(member: InteractionMember): void {
    const ready = member.node.ready()
    this.write(renderReady(ready))
    member.perform(ready)
    this.messages.push(...ready.messages)
    member.node.advance()
  }

  /** Takes the messages to `to`, of one kind or all, out of the network. */
  takeMessages(to: RaftId, kind: Message['kind'] | null): Message[] {
    const isTaken = (message: Message): boolean =>
      message.to === to && (kind === null || message.kind === kind)
    const taken = this.messages.filter(isTaken)
    this.messages = this.messages.filter((message) => !isTaken(message))
    return taken
  }

  deliver(messages: readonly Message[]): void {
    for (const message of messages) {
      this.write(`${renderMessage(message)}\n`)
      const result = this.member(message.to).node.step(message)
      if (result !== 'ok') this.write(`${errorTexts[result]}\n`)
    }
  }

  /** Readies and deliveries in turns, until nothing is left to do among these nodes. */
  stabilize(members: readonly InteractionMember[]): void {
    for (let round = 0; round < maxRounds; round++) {
      const hasProcessed = members.filter((member) => this.#processIfReady(member)).length > 0
      const hasDelivered = members.filter((member) => this.#deliverIfAny(member)).length > 0
      if (!hasProcessed && !hasDelivered) return
    }
    throw new Error('the nodes do not come to rest')
  }

  #processIfReady(member: InteractionMember): boolean {
    if (!member.node.hasReady()) return false
    this.write(`> ${member.id} handling Ready\n`)
    this.indented(() => this.processReady(member))
    return true
  }

  #deliverIfAny(member: InteractionMember): boolean {
    const messages = this.takeMessages(member.id, null)
    if (messages.length === 0) return false
    this.write(`> ${member.id} receiving messages\n`)
    this.indented(() => this.deliver(messages))
    return true
  }

  indented(action: () => void): void {
    const before = this.takeOutput()
    action()
    const written = this.takeOutput().replace(/\n$/, '')
    const lines = written === '' ? [] : written.split('\n')
    this.#output = before + lines.map((line) => `  ${line}\n`).join('')
  }

  writeLog({ log }: InteractionMember): void {
    const [first, last] = [log.firstIndex(), log.lastIndex()]
    if (last < first) {
      this.write(`log is empty: first index=${first}, last index=${last}`)
      return
    }
    const entries = log.entries(first, last + 1, Infinity)
    if (typeof entries === 'string') throw new Error(`the log is ${entries}`)
    for (const entry of entries) this.write(`${renderEntry(entry)}\n`)
  }

  writeStatus({ node }: InteractionMember): void {
    for (const peer of node.status().peers) this.write(`${peer.id}: ${renderPeer(peer)}\n`)
  }

  writeStates(): void {
    for (const { node } of this.members) {
      const { id, role, term, lead, configuration } = node.status()
      const isVoter = configuration.incoming.has(id) || configuration.outgoing.has(id)
      const voter = isVoter ? '(Voter)' : '(Non-Voter)'
      this.write(`${id}: ${roleNames[role]} ${voter} Term:${term} Lead:${lead}\n`)
    }
  }
}

/** How etcd words the refusals of an input. */
export const errorTexts = {
  'no-leader': 'raft proposal dropped',
  'proposal-dropped': 'raft proposal dropped',
  'too-large': 'raft proposal dropped',
  'local-message': 'raft: cannot step raft local message',
  'unknown-peer': 'raft: cannot step as peer not found',
}
