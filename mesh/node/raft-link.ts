import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Message, RaftId } from '../raft/types.ts'
import type { Transport } from '../transport/transport.ts'
import { isRefused } from '../wire/frames.ts'
import {
  cutRaftMessage,
  decodeRaftMessage,
  encodeRaftMessage,
  RaftAssembler,
} from '../wire/raft-message.ts'

export const raftProtocol = '/mesh/raft/2'

/** Long messages (snapshots) leave in portions, so that heartbeats find room between them. */
const portionMs = 20
const partsPerPortion = 4
/** Half a minute of a peer that takes nothing. */
const refusalsMax = 1500

export interface RaftLinkDeps {
  readonly raftId: RaftId
  readonly transport: Transport
  readonly clock: Clock
  readonly log: Log
  /** Whether Raft messages of this node may be listened to. */
  readonly isAdmitted: (node: NodeId) => boolean
  readonly isIdOf: (node: NodeId, id: RaftId) => boolean
  readonly onMessage: (from: NodeId, message: Message) => void
  /** The message did not leave, or (long ones only) has left. */
  readonly onOutcome: (message: Message, isSent: boolean) => void
}

interface Departure {
  readonly message: Message
  readonly parts: Uint8Array[]
  refusals: number
}

/** Raft messages over the transport. Loss is allowed: Raft repeats what matters. */
export class RaftLink {
  readonly #deps: RaftLinkDeps
  readonly #assemblers = new Map<NodeId, RaftAssembler>()
  /** At most one long message a peer is under way. */
  readonly #departures = new Map<NodeId, Departure>()
  #nextId = 0
  #stopPortions: (() => void) | null = null

  constructor(deps: RaftLinkDeps) {
    this.#deps = deps
    deps.transport.onFrame(raftProtocol, (from, frame) => this.#receive(from, frame))
  }

  send(to: NodeId, message: Message): void {
    const parts = cutRaftMessage(encodeRaftMessage(message), this.#nextId)
    this.#nextId = (this.#nextId + 1) % 2 ** 32
    const [only] = parts
    if (parts.length === 1 && only !== undefined) {
      const isSent = this.#deps.transport.send(to, raftProtocol, only)
      // A short snapshot, too, must be reported, or Raft sends that peer nothing else.
      if (!isSent || message.kind === 'snapshot') this.#deps.onOutcome(message, isSent)
      return
    }
    if (this.#departures.has(to)) {
      this.#deps.onOutcome(message, false)
      return
    }
    this.#departures.set(to, { message, parts, refusals: 0 })
    this.#stopPortions ??= this.#deps.clock.every(portionMs, () => this.#sendPortions())
  }

  stop(): void {
    this.#stopPortions?.()
    this.#stopPortions = null
    this.#departures.clear()
  }

  #sendPortions(): void {
    for (const [to, departure] of this.#departures) this.#sendPortion(to, departure)
    if (this.#departures.size > 0) return
    this.#stopPortions?.()
    this.#stopPortions = null
  }

  #sendPortion(to: NodeId, departure: Departure): void {
    for (let sent = 0; sent < partsPerPortion; sent++) {
      const part = departure.parts[0]
      if (part === undefined) return this.#end(to, departure, true)
      if (!this.#deps.transport.send(to, raftProtocol, part)) {
        departure.refusals++
        const isGone = !this.#deps.transport.connected().includes(to)
        if (isGone || departure.refusals > refusalsMax) this.#end(to, departure, false)
        return
      }
      departure.parts.shift()
    }
  }

  #end(to: NodeId, departure: Departure, isSent: boolean): void {
    this.#departures.delete(to)
    this.#deps.onOutcome(departure.message, isSent)
  }

  #receive(from: NodeId, frame: Uint8Array): void {
    const { log, raftId } = this.#deps
    if (!this.#deps.isAdmitted(from)) {
      log.debug({ from }, 'ignored a raft message: not a manager')
      this.#assemblers.delete(from)
      return
    }
    const assembler = this.#assemblers.get(from) ?? new RaftAssembler()
    this.#assemblers.set(from, assembler)
    const whole = assembler.push(frame)
    if (whole === null) return
    const message = decodeRaftMessage(whole)
    if (isRefused(message)) {
      log.warn({ from, reason: message.refused }, 'ignored a raft message: malformed')
      return
    }
    // The transport proved who it is; a message in another name is none of Raft's business.
    if (!this.#deps.isIdOf(from, message.from) || message.to !== raftId) {
      log.warn({ from, claimed: message.from, to: message.to }, 'ignored a raft message: addresses')
      return
    }
    this.#deps.onMessage(from, message)
  }
}
