import { unreachable } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { ContainerState } from '../containers/container-engine.ts'
import type { DesiredState, TaskRecord } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { TaskView } from '../model/task-view.ts'
import type { TaskEffect, TaskInput, TaskReport } from '../task/task-io.ts'
import { TaskMachine } from '../task/task-machine.ts'
import type { RequestOrProblem } from './container-request.ts'
import type { EngineLink } from './engine-link.ts'

export interface TaskRunnerDeps {
  /** Asked when the container is made: the engine has answered by then. */
  readonly request: () => RequestOrProblem
  /** The ingress will dial ports of it. */
  readonly hasPorts: boolean
  /** Those that accept connections; absent: all. */
  readonly probedPorts?: readonly number[]
  readonly nodeName: string
  readonly link: EngineLink
  readonly clock: Clock
  readonly log: Log
  readonly publish: (key: string, value: Json | null) => void
  /** Resolves when no node sends it new connections and the open ones have ended, or in time. */
  readonly drained: (taskId: string, deadlineMs: number) => Promise<void>
  /** Whether something accepts a connection there. */
  readonly probe: (address: string) => Promise<boolean>
  /** It did something: others may have waited for that. */
  readonly moved: (runner: TaskRunner) => void
}

const defaultDrainMs = 10_000
const drainMarginMs = 5_000
const probePeriodMs = 100
/** An engine that refuses to stop or remove a container is asked again, for as long as it is there. */
const retryMs = 2_000
/** Every word of progress is a record that all nodes get. */
const progressPeriodMs = 1_000

/** Drives one task's machine: performs its effects, tells it what came of them. */
export class TaskRunner {
  readonly id: string
  readonly #task: TaskView
  readonly #deps: TaskRunnerDeps
  readonly #machine: TaskMachine
  #containerId: string | null = null
  #last: TaskRecord | null = null
  #isGone = false
  #isClosed = false
  #isProbing = false
  #isLooking = false
  #mustLookAgain = false
  #creation = new AbortController()
  #progressAtMs = Number.NEGATIVE_INFINITY
  readonly #timers = new Set<() => void>()

  constructor(task: TaskView, deps: TaskRunnerDeps) {
    this.id = task.id
    this.#task = task
    this.#deps = deps
    this.#machine = new TaskMachine({
      desired: task.desired,
      lastState: task.state,
      hasPorts: deps.hasPorts,
      ...(deps.probedPorts !== undefined && { probedPorts: deps.probedPorts }),
    })
  }

  get containerId(): string | null {
    return this.#containerId
  }

  get isActive(): boolean {
    return this.#machine.isActive
  }

  /** Nothing is left of it. */
  get isGone(): boolean {
    return this.#isGone
  }

  want(desired: DesiredState): void {
    this.#step({ kind: 'desired', desired })
  }

  forget(): void {
    this.#step({ kind: 'forgotten' })
  }

  daemonStops(): void {
    this.#step({ kind: 'daemon-stops' })
  }

  /** The engine answers (again). `found` is the task's container in it, by the task's label. */
  async engineRead(found: string | null): Promise<void> {
    this.#containerId ??= found
    const container = await this.#inspect()
    if (container !== 'unknown') this.#step({ kind: 'engine-read', container })
  }

  /** Something happened to its container. Events that come while it looks are one more look. */
  async look(): Promise<void> {
    if (this.#isLooking) {
      this.#mustLookAgain = true
      return
    }
    this.#isLooking = true
    do {
      this.#mustLookAgain = false
      const container = await this.#inspect()
      if (container !== 'unknown') this.#step({ kind: 'container-seen', container })
    } while (this.#mustLookAgain && !this.#isClosed)
    this.#isLooking = false
  }

  /** Leaves everything as it is, and does nothing more. */
  close(): void {
    this.#isClosed = true
    this.#creation.abort()
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  #step(input: TaskInput): void {
    if (this.#isClosed) return
    const effects = this.#machine.step(input, this.#deps.clock.monotonicMs())
    for (const effect of effects) this.#perform(effect)
    this.#deps.moved(this)
  }

  #perform(effect: TaskEffect): void {
    switch (effect.kind) {
      case 'report':
        return this.#report(effect.report)
      case 'forget':
        this.#isGone = true
        return this.#deps.publish(this.#key, null)
      case 'create':
        return void this.#create()
      case 'abandon-create':
        return this.#creation.abort()
      case 'retry-create':
        return void this.#retryCreate(effect.delayMs)
      case 'start':
        return void this.#start(effect.containerId)
      case 'probe-ports':
        return void this.#probe()
      case 'drain':
        return void this.#drain()
      case 'stop':
        return void this.#stop(effect.containerId)
      case 'remove':
        return void this.#remove(effect.containerId)
      default:
        return unreachable(effect)
    }
  }

  get #key(): string {
    return `task/${this.id}`
  }

  #report(report: TaskReport): void {
    const isNewState = report.state !== this.#last?.state
    const at = isNewState ? rfc3339(this.#deps.clock.nowMs()) : (this.#last?.at ?? '')
    const { serviceId, generation } = this.#task
    this.#last = { service: serviceId, generation, at, ...report }
    this.#deps.publish(this.#key, this.#last as unknown as Json)
    const { state, err } = report
    if (isNewState) this.#deps.log.info({ task: this.id, state, ...(err && { err }) }, 'task moved')
  }

  async #create(): Promise<void> {
    const made = this.#deps.request()
    if (made.kind === 'malformed') return this.#createFailed(made.problem, false)
    this.#creation = new AbortController()
    const { signal } = this.#creation
    const watch = { signal, progress: (text: string) => this.#progress(text) }
    const answer = await this.#deps.link.call((engine) => engine.create(made.request, watch))
    if (answer.kind === 'lost') return
    if (answer.kind === 'failed') return this.#createFailed(answer.because, answer.mayPass)
    this.#containerId = answer.value.id
    const container = await this.#inspect()
    if (container !== 'unknown') this.#step({ kind: 'created', container })
  }

  #createFailed(said: string, mayPass: boolean): void {
    const because = `${said} (on node ${this.#deps.nodeName})`
    this.#step({ kind: 'create-failed', because, mayPass })
  }

  async #retryCreate(delayMs: number): Promise<void> {
    await this.#pause(delayMs)
    this.#step({ kind: 'retry-due' })
  }

  #progress(text: string): void {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#progressAtMs < progressPeriodMs) return
    this.#progressAtMs = nowMs
    this.#step({ kind: 'progress', text })
  }

  async #start(containerId: string): Promise<void> {
    const answer = await this.#deps.link.call((engine) => engine.start(containerId))
    if (answer.kind === 'lost') return
    if (answer.kind === 'failed') {
      return this.#step({ kind: 'start-failed', because: answer.because })
    }
    const container = await this.#inspect()
    if (container !== 'unknown') this.#step({ kind: 'started', container })
  }

  /** One loop at a time, however often it is asked for; it ends when the machine has its answer. */
  async #probe(): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    while (this.#machine.isProbed && !this.#isClosed) {
      const answers = await Promise.all(this.#machine.targets.map((to) => this.#deps.probe(to)))
      if (answers.includes(true)) this.#step({ kind: 'port-accepted' })
      else this.#step({ kind: 'tick' })
      if (this.#machine.isProbed) await this.#pause(probePeriodMs)
    }
    this.#isProbing = false
  }

  /** The data plane keeps the deadline; should it not answer at all, the task stops undrained. */
  async #drain(): Promise<void> {
    const deadlineMs = this.#task.drainMs ?? defaultDrainMs
    const limit = this.#timer(deadlineMs + drainMarginMs)
    try {
      await Promise.race([this.#deps.drained(this.id, deadlineMs), limit.passed])
    } catch (error) {
      this.#deps.log.warn({ task: this.id, error }, 'cannot drain a task, it stops undrained')
    }
    limit.cancel()
    this.#step({ kind: 'drained' })
  }

  async #stop(containerId: string): Promise<void> {
    const { stopSignal: signal, stopGraceMs: graceMs } = this.#task.spec
    const answer = await this.#deps.link.call((engine) =>
      engine.stop(containerId, { signal, graceMs }),
    )
    if (answer.kind === 'lost') return
    if (answer.kind === 'failed') return this.#again(answer.because)
    const container = await this.#inspect()
    if (container !== 'unknown') this.#step({ kind: 'stopped', container })
  }

  async #remove(containerId: string): Promise<void> {
    const answer = await this.#deps.link.call((engine) => engine.remove(containerId))
    if (answer.kind === 'done') this.#step({ kind: 'removed' })
    if (answer.kind === 'failed') await this.#again(answer.because)
  }

  /** The machine repeats what was under way, unless it finds it done. */
  async #again(because: string): Promise<void> {
    this.#deps.log.warn({ task: this.id, because }, 'the engine refused, asking again')
    await this.#pause(retryMs)
    await this.engineRead(null)
  }

  /** `unknown` when the engine was lost: `engineRead` will tell. */
  async #inspect(): Promise<ContainerState | null | 'unknown'> {
    const id = this.#containerId
    if (id === null) return null
    const answer = await this.#deps.link.call((engine) => engine.inspect(id))
    if (answer.kind !== 'done') return 'unknown'
    return answer.value
  }

  #pause(ms: number): Promise<void> {
    return this.#timer(ms).passed
  }

  /** Never passes once the runner is closed. */
  #timer(ms: number): { readonly passed: Promise<void>; readonly cancel: () => void } {
    const { promise: passed, resolve } = Promise.withResolvers<void>()
    const stop = this.#deps.clock.after(ms, () => {
      this.#timers.delete(cancel)
      resolve()
    })
    const cancel = (): void => {
      this.#timers.delete(cancel)
      stop()
    }
    this.#timers.add(cancel)
    return { passed, cancel }
  }
}
