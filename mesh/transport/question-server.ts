import type { TLSSocket } from 'node:tls'
import type * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { isFault, MeshError } from '../base/mesh-error.ts'
import { controlFrame, readControlMessage } from './control-protocol.ts'
import { AskingRate, Attendance } from './stranger-limits.ts'

const headStartMs = 10_000
const lingerMs = 5000
/** Half of them from one address: a whole cluster may sit behind it. */
const atOnce = { whole: 128, perAddress: 64 }
/** A question costs signatures and a round of the managers, a join a knock at four ports. */
const rates = {
  burst: { whole: 400, perAddress: 100 },
  perSecond: { whole: 20, perAddress: 2 },
}

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
  readonly #attendance = new Attendance(atOnce)
  readonly #rate: AskingRate

  constructor(questions: Questions<Question, Reply>, deps: QuestionServerDeps) {
    this.#questions = questions
    this.#clock = deps.clock
    this.#log = deps.log
    this.#rate = new AskingRate(rates, deps.clock)
  }

  /** Takes the connection over, to its end; never rejects. */
  async serve(socket: TLSSocket, remoteAddress: string): Promise<void> {
    const { name, refuse } = this.#questions
    const leave = this.#attendance.enter(remoteAddress)
    if (leave === null) return this.#finish(socket, refuse('too many machines ask at once'))
    try {
      this.#finish(socket, await this.#reply(socket, remoteAddress))
    } catch (error) {
      const reason = isFault(error, 'control/bad-message') ? error.fault['reason'] : String(error)
      this.#log.warn({ remoteAddress, reason }, `${name} request dropped`)
      socket.destroy()
    } finally {
      leave()
    }
  }

  async #reply(socket: TLSSocket, remoteAddress: string): Promise<Reply> {
    const { name, schema, maxBytes, answer, refuse, timeoutMs = headStartMs } = this.#questions
    const clock = this.#clock
    const question = await readControlMessage(socket, { schema, maxBytes, timeoutMs, clock })
    if (!this.#rate.take(remoteAddress)) {
      this.#log.warn({ remoteAddress }, `too many ${name} requests`)
      return refuse('too many requests; try again in a minute')
    }
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
