import type { TLSSocket } from 'node:tls'
import type * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { isFault, MeshError } from '../base/mesh-error.ts'
import { controlFrame, readControlMessage } from './control-protocol.ts'

const headStartMs = 10_000
const lingerMs = 5000
const maxConcurrent = 64

/** A protocol of one question and one answer. */
export interface Questions<Question, Reply> {
  /** What it is about, for the log: `join`. */
  readonly name: string
  readonly schema: z.ZodType<Question>
  readonly maxBytes: number
  /** A `MeshError` that it rejects with is told to the asker by its code. */
  readonly answer: (question: Question, remoteAddress: string) => Promise<Reply>
  readonly refuse: (reason: string) => Reply
  /** How long the asker may take to say its question; 10 s when absent. */
  readonly timeoutMs?: number | undefined
}

export interface QuestionServerDeps {
  readonly clock: Clock
  readonly log: Log
}

/** Serves a protocol that strangers may speak, and bounds what a stranger may cost. */
export class QuestionServer<Question, Reply> {
  readonly #questions: Questions<Question, Reply>
  readonly #clock: Clock
  readonly #log: Log
  #running = 0

  constructor(questions: Questions<Question, Reply>, deps: QuestionServerDeps) {
    this.#questions = questions
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** Takes the connection over, to its end; never rejects. */
  async serve(socket: TLSSocket, remoteAddress: string): Promise<void> {
    const { name, refuse } = this.#questions
    if (this.#running >= maxConcurrent) {
      return this.#finish(socket, refuse('too many machines ask at once'))
    }
    this.#running++
    try {
      this.#finish(socket, await this.#reply(socket, remoteAddress))
    } catch (error) {
      const reason = isFault(error, 'control/bad-message') ? error.fault['reason'] : String(error)
      this.#log.warn({ remoteAddress, reason }, `${name} request dropped`)
      socket.destroy()
    } finally {
      this.#running--
    }
  }

  async #reply(socket: TLSSocket, remoteAddress: string): Promise<Reply> {
    const { name, schema, maxBytes, answer, refuse, timeoutMs = headStartMs } = this.#questions
    const clock = this.#clock
    const question = await readControlMessage(socket, { schema, maxBytes, timeoutMs, clock })
    try {
      return await answer(question, remoteAddress)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      const { fault } = error
      this.#log.warn({ remoteAddress, fault }, `${name} request could not be answered`)
      return refuse(fault.code)
    }
  }

  /** Sends the last word; a peer that does not read it is cut off. */
  #finish(socket: TLSSocket, reply: Reply): void {
    const cancel = this.#clock.after(lingerMs, () => socket.destroy())
    socket.once('close', cancel)
    socket.end(controlFrame(reply))
    socket.resume()
  }
}
