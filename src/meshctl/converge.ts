import { ClientError } from '../client/client-error.ts'
import type { ApiService, ApiTask, Explanation } from '../client/types.ts'
import { CommandError, exitCodes } from './command-error.ts'
import { createProgressView, type ProgressView } from './progress-view.ts'
import { progressOf, type Progress } from './progress.ts'
import { nodeName, type Session } from './session.ts'
import { sayUrls } from './service-urls.ts'

const pollMs = 200
/** How long all tasks must be up before we believe it. */
const stableMs = 1_000
const explainAfterMs = 2_000
const defaultTimeoutMs = 600_000
/** Without --timeout: nothing can be placed, and nothing that we wait for will change that. */
const unplacedTimeoutMs = 60_000

export interface WaitOptions {
  /** Null: the defaults. */
  readonly timeoutMs: number | null
  readonly isQuiet: boolean
  /** A rollback is what was asked for: then it is no failure. */
  readonly isRollback?: boolean
}

/** Waits until the service is as it was asked to be, showing how; rejects when it does not get there. */
export async function converge(session: Session, id: string, options: WaitOptions): Promise<void> {
  const view = options.isQuiet ? silentView : createProgressView(session.io)
  const wait = new Wait(session, id, view)
  try {
    const service = await wait.untilStable(options.timeoutMs)
    view.end()
    if (options.isRollback !== true) refuseRollback(service)
    if (options.isQuiet) return
    session.io.out(`service ${service.Spec.Name} converged\n`)
    if (service.ServiceStatus?.DesiredTasks !== 0)
      sayUrls(session, service, await session.client.nodes())
  } finally {
    view.end()
  }
}

const silentView: ProgressView = { show: () => {}, say: () => {}, end: () => {} }

/** One waiting for one service: what was seen and said so far. */
class Wait {
  readonly #session: Session
  readonly #id: string
  readonly #view: ProgressView
  readonly #startedMs: number
  #nodes = new Map<string, string>()
  #service: ApiService | null = null
  readonly #interrupt: AbortSignal
  #doneSinceMs: number | null = null
  #saidOfUpdate = ''
  #explanation: Explanation = { Lines: [], Hint: '' }

  constructor(session: Session, id: string, view: ProgressView) {
    this.#session = session
    this.#id = id
    this.#view = view
    this.#startedMs = session.io.nowMs()
    this.#interrupt = session.io.watchInterrupt()
  }

  async untilStable(timeoutMs: number | null): Promise<ApiService> {
    const { io } = this.#session
    for (;;) {
      const progress = await this.#look()
      this.#watchUpdate()
      if (this.#isStable(progress)) return this.#found()
      if (this.#interrupt.aborted) throw this.#interrupted()
      if (progress?.isHopeless === true && !this.#isUpdating) throw this.#failed(progress)
      const limitMs = timeoutMs ?? limitFor(progress)
      if (io.nowMs() - this.#startedMs >= limitMs) throw this.#timedOut(limitMs, progress)
      await io.pause(pollMs)
    }
  }

  /** Null while the cluster does not answer: a new leader may be on its way. */
  async #look(): Promise<Progress | null> {
    const { client } = this.#session
    try {
      const [service, tasks, current] = await Promise.all([
        client.service(this.#id),
        client.tasks({ service: [this.#id] }),
        client.tasks({ service: [this.#id], '_up-to-date': ['true'] }),
      ])
      this.#service = service
      await this.#learnNodes(tasks)
      const progress = progressOf(service, tasks, new Set(current.map(({ ID }) => ID)))
      this.#view.show(progress, this.#nodes)
      await this.#explain(tasks, progress)
      return progress
    } catch (error) {
      if (isPassing(error)) return null
      throw error
    }
  }

  #isStable(progress: Progress | null): boolean {
    const nowMs = this.#session.io.nowMs()
    if (progress?.isDone !== true || this.#isUpdating) {
      this.#doneSinceMs = null
      return false
    }
    if (progress.wanted === 0) return true
    this.#doneSinceMs ??= nowMs
    return nowMs - this.#doneSinceMs >= stableMs
  }

  get #isUpdating(): boolean {
    const state = this.#service?.UpdateStatus?.State
    return state === 'updating' || state === 'rollback_started'
  }

  /** Says that it goes back, and why; fails when it goes neither on nor back. */
  #watchUpdate(): void {
    const { State = '', Message = '' } = this.#service?.UpdateStatus ?? {}
    if (State.endsWith('paused')) {
      throw new CommandError(exitCodes.error, {
        what: `the ${State === 'paused' ? 'update' : 'rollback'} of service ${this.#name} is paused`,
        why: Message,
        hint: `meshctl service ps ${this.#name}, then update it again or meshctl service rollback ${this.#name}`,
      })
    }
    if (State !== 'rollback_started' || this.#saidOfUpdate === Message) return
    this.#saidOfUpdate = Message
    this.#view.say(Message)
  }

  async #learnNodes(tasks: readonly ApiTask[]): Promise<void> {
    if (tasks.every(({ NodeID }) => NodeID === undefined || this.#nodes.has(NodeID))) return
    const nodes = await this.#session.client.nodes()
    this.#nodes = new Map(nodes.map((node) => [node.ID, nodeName(node)]))
    for (const { NodeID } of tasks) {
      if (NodeID !== undefined && !this.#nodes.has(NodeID)) this.#nodes.set(NodeID, NodeID)
    }
  }

  /** Says why tasks wait for a node, once for each reason that is new. */
  async #explain(tasks: readonly ApiTask[], progress: Progress): Promise<void> {
    if (progress.isDone || this.#session.io.nowMs() - this.#startedMs < explainAfterMs) return
    const isWaiting = progress.tasks.some(({ NodeID }) => NodeID === undefined)
    if (!isWaiting && progress.tasks.length >= progress.wanted && progress.wanted > 0) return
    const explanation = withStatuses(await this.#session.client.explain(this.#id), tasks)
    const isNew = explanation.Lines.join('\n') !== this.#explanation.Lines.join('\n')
    if (explanation.Lines.length === 0 || !isNew) return
    this.#explanation = explanation
    this.#view.say('tasks wait for a node:')
    for (const line of explanation.Lines) this.#view.say(` * ${line}`)
    if (explanation.Hint !== '') this.#view.say(`hint: ${explanation.Hint}`)
  }

  #found(): ApiService {
    if (this.#service === null) throw new Error('a stable service was seen')
    return this.#service
  }

  get #name(): string {
    return this.#service?.Spec.Name ?? this.#id
  }

  #interrupted(): CommandError {
    return new CommandError(exitCodes.interrupted, {
      what: 'stopped waiting; the operation continues in the background',
      hint: `meshctl service ps ${this.#name}   shows how far it is`,
    })
  }

  #failed({ tasks }: Progress): CommandError {
    const errors = tasks.flatMap(({ Status }) => (Status.Err ? [Status.Err] : []))
    return new CommandError(exitCodes.notConverged, {
      what: `tasks of service ${this.#name} failed and will not be restarted`,
      why: [...new Set(errors)].join('; '),
      hint: `meshctl service ps --no-trunc ${this.#name}`,
    })
  }

  #timedOut(limitMs: number, progress: Progress | null): CommandError {
    const state =
      progress === null
        ? 'the cluster does not answer'
        : `${progress.running} out of ${progress.wanted} tasks run`
    const lastErrors = progress?.tasks.flatMap(({ Status }) => Status.Err ?? []) ?? []
    const { Lines, Hint } = this.#explanation
    const reasons = Lines.length > 0 ? Lines : [...new Set(lastErrors)]
    return new CommandError(exitCodes.notConverged, {
      what: `service ${this.#name} did not converge within ${limitMs / 1000} s: ${state}`,
      why: reasons.join('; '),
      hint: Hint || `meshctl service ps --no-trunc ${this.#name}`,
    })
  }
}

/** It converged, but not to what was asked for. */
function refuseRollback({ Spec, UpdateStatus: status }: ApiService): void {
  if (status?.State !== 'rollback_completed') return
  throw new CommandError(exitCodes.rolledBack, {
    what: `service ${Spec.Name} was rolled back`,
    why: status.Message ?? '',
    hint: `meshctl service ps --no-trunc ${Spec.Name}   shows what failed`,
  })
}

const limitFor = (progress: Progress | null): number =>
  progress?.isUnplaced === true ? unplacedTimeoutMs : defaultTimeoutMs

/** The leader's explanation, or what stands in the tasks when it has none (any more). */
function withStatuses(explanation: Explanation, tasks: readonly ApiTask[]): Explanation {
  if (explanation.Lines.length > 0) return explanation
  const waiting = tasks.filter(({ NodeID, Status }) => NodeID === undefined && Status.Err)
  return { ...explanation, Lines: [...new Set(waiting.map(({ Status }) => Status.Err ?? ''))] }
}

const isPassing = (error: unknown): boolean =>
  error instanceof ClientError && (error.fault.kind === 'unreachable' || error.fault.status === 503)
