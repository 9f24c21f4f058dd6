import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { isFault, MeshError } from '../base/mesh-error.ts'
import {
  joinRequest,
  maxJoinRequestBytes,
  withSeenHost,
  type JoinReply,
  type JoinRequest,
} from '../wire/join-message.ts'
import { joinFrame, readJoinMessage } from './join-protocol.ts'

const headStartMs = 10_000
const lingerMs = 5000
const maxConcurrent = 64

/**
 * Decides about one newcomer; empty hosts in the request are filled in with `remoteAddress`. A
 * `MeshError` that it rejects with is told to the newcomer by its code.
 */
export type AnswerJoin = (request: JoinRequest, remoteAddress: string) => Promise<JoinReply>

export interface JoinServerDeps {
  readonly clock: Clock
  readonly log: Log
}

/** Serves the only protocol that a stranger may speak, and bounds what a stranger may cost. */
export class JoinServer {
  readonly #answer: AnswerJoin
  readonly #clock: Clock
  readonly #log: Log
  readonly #headStartMs: number
  #running = 0

  constructor(answer: AnswerJoin, deps: JoinServerDeps, timeoutMs = headStartMs) {
    this.#answer = answer
    this.#clock = deps.clock
    this.#log = deps.log
    this.#headStartMs = timeoutMs
  }

  /** Takes the connection over, to its end; never rejects. */
  async serve(socket: TLSSocket, remoteAddress: string): Promise<void> {
    if (this.#running >= maxConcurrent) {
      return this.#finish(socket, { kind: 'refused', reason: 'too many machines join at once' })
    }
    this.#running++
    try {
      this.#finish(socket, await this.#reply(socket, remoteAddress))
    } catch (error) {
      const reason = isFault(error, 'join/bad-message') ? error.fault['reason'] : String(error)
      this.#log.warn({ remoteAddress, reason }, 'join request dropped')
      socket.destroy()
    } finally {
      this.#running--
    }
  }

  async #reply(socket: TLSSocket, remoteAddress: string): Promise<JoinReply> {
    const request = await readJoinMessage(socket, {
      schema: joinRequest,
      maxBytes: maxJoinRequestBytes,
      timeoutMs: this.#headStartMs,
      clock: this.#clock,
    })
    try {
      return await this.#answer(withSeenHost(request, remoteAddress), remoteAddress)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      this.#log.warn({ remoteAddress, fault: error.fault }, 'join request could not be answered')
      return { kind: 'refused', reason: error.fault.code }
    }
  }

  /** Sends the last word; a peer that does not read it is cut off. */
  #finish(socket: TLSSocket, reply: JoinReply): void {
    const cancel = this.#clock.after(lingerMs, () => socket.destroy())
    socket.once('close', cancel)
    socket.end(joinFrame(reply))
    socket.resume()
  }
}
