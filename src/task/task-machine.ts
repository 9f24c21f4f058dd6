import { unreachable } from '../../mesh/base/assert.ts'
import type { DesiredState, TaskState } from '../model/docker.ts'
import { sameJson } from '../model/same-json.ts'
import { compareTaskStates, hasEnded, isWanted } from '../model/task-state.ts'
import { createRetryDelayMs } from './create-retries.ts'
import {
  type Ending,
  endingOf,
  failed,
  rejected,
  shutdown,
  unhealthy,
  vanished,
} from './exit-words.ts'
import type { Phase } from './phase.ts'
import type { TaskEffect, TaskInput, TaskReport } from './task-io.ts'
import type { ContainerFacts } from '../model/container-facts.ts'

export interface TaskMachineOptions {
  readonly desired: DesiredState
  /** What the catalog says of it: what happened before this daemon started. */
  readonly lastState: TaskState
  /** It has target ports: it counts as running only when one of them accepts, where any can. */
  readonly hasPorts: boolean
  /** Those of them that accept connections, as UDP does not; absent: all. */
  readonly probedPorts?: readonly number[]
}

const pausedMessage = 'paused by hand'

/** A program that listens late, or never, is not held back for ever. */
const settlingLimitMs = 30_000

/**
 * One task's life on its node. It is created once, started once and never starts again; what it was
 * before is found in its container, which a new daemon adopts.
 */
export class TaskMachine {
  readonly #options: TaskMachineOptions
  #desired: DesiredState
  #isForgotten = false
  #isLeaving = false
  #phase: Phase = { kind: 'unknown' }
  #container: ContainerFacts | null = null
  #createFailures = 0
  #state: TaskState
  #message = ''
  #err = ''
  /** Why it is being stopped; null when nothing but its own end is to be told. */
  #ending: Ending | null = null
  #told: TaskReport | null = null

  constructor(options: TaskMachineOptions) {
    this.#options = options
    this.#desired = options.desired
    this.#state = options.lastState
  }

  /** A container of it runs or may run. */
  get isActive(): boolean {
    const { kind } = this.#phase
    return !['unknown', 'backing-off', 'created', 'over', 'gone'].includes(kind)
  }

  /**
   * An accepting port would make it count as running. Where the image has a health check, that says
   * when it works; its ports may accept long before.
   */
  get isProbed(): boolean {
    return this.#phase.kind === 'settling' && this.#container?.health === 'none'
  }

  /** Where its ports can be dialled now, to see whether it accepts. */
  get targets(): readonly string[] {
    const { probedPorts } = this.#options
    return Object.entries(this.#container?.targets ?? {})
      .filter(([port]) => probedPorts?.includes(Number(port)) ?? true)
      .map(([, address]) => address)
  }

  step(input: TaskInput, nowMs: number): TaskEffect[] {
    switch (input.kind) {
      case 'desired':
        this.#desired = input.desired
        return this.#pursue()
      case 'forgotten':
        this.#isForgotten = true
        return this.#pursue()
      case 'daemon-stops':
        this.#isLeaving = true
        return this.#pursue()
      case 'engine-read':
        return this.#read(input.container, nowMs)
      case 'container-seen':
        return this.#see(input.container, nowMs)
      case 'created':
        return this.#phase.kind === 'creating' ? this.#created(input.container) : []
      case 'progress':
        return this.#phase.kind === 'creating' ? this.#tell('preparing', input.text) : []
      case 'create-failed':
        return this.#phase.kind === 'creating' ? this.#createFailed(input) : []
      case 'retry-due':
        return this.#phase.kind === 'backing-off' ? this.#create() : []
      case 'started':
        return this.#phase.kind === 'starting' ? this.#started(input.container, nowMs) : []
      case 'start-failed':
        return this.#phase.kind === 'starting' ? this.#over(failed(input.because)) : []
      case 'port-accepted':
        return this.isProbed ? this.#runs('started') : []
      case 'tick':
        return this.#tick(nowMs)
      case 'drained':
        return this.#phase.kind === 'draining' ? this.#stop() : []
      case 'stopped':
        return this.#phase.kind === 'stopping' ? this.#stopped(input.container) : []
      case 'removed':
        return this.#phase.kind === 'removing' ? this.#gone() : []
      default:
        return unreachable(input)
    }
  }

  /** Somebody wants it to be over. */
  get #mustEnd(): boolean {
    return this.#isForgotten || this.#isLeaving || !isWanted(this.#desired)
  }

  /** Takes the next step towards what is wanted, where no answer is awaited. */
  #pursue(): TaskEffect[] {
    switch (this.#phase.kind) {
      case 'created':
        if (this.#mustEnd) return this.#isLeaving ? [] : this.#over(shutdown)
        return this.#desired === 'running' ? this.#start() : []
      case 'settling':
      case 'running':
        return this.#mustEnd ? this.#end(this.#wantedEnding()) : []
      case 'over':
        return this.#isForgotten ? this.#cleanUp() : []
      case 'creating':
        return this.#mustEnd ? [{ kind: 'abandon-create' }] : []
      case 'backing-off':
        return this.#mustEnd ? this.#over(this.#wantedEnding()) : []
      case 'unknown':
      case 'starting':
      case 'draining':
      case 'stopping':
      case 'removing':
      case 'gone':
        return []
      default:
        return unreachable(this.#phase)
    }
  }

  /** A daemon that leaves does so although the task is wanted: it must be replaced elsewhere. */
  #wantedEnding(): Ending {
    const isWantedElsewhere = this.#isLeaving && !this.#isForgotten && isWanted(this.#desired)
    return isWantedElsewhere ? failed('the daemon of its node was stopped') : shutdown
  }

  /** What was under way when the engine was lost is done again, unless it turns out to be done. */
  #read(container: ContainerFacts | null, nowMs: number): TaskEffect[] {
    switch (this.#phase.kind) {
      case 'unknown':
        return this.#adopt(container, nowMs)
      case 'creating':
        return container === null ? [{ kind: 'create' }] : this.#created(container)
      case 'starting':
        if (container === null || container.started) return this.#started(container, nowMs)
        return [{ kind: 'start', containerId: container.id }]
      case 'stopping':
        if (container?.running !== true) return this.#stopped(container)
        return [{ kind: 'stop', containerId: container.id }]
      case 'removing':
        this.#container = container
        return this.#cleanUp()
      case 'backing-off':
        return container === null ? [] : this.#created(container)
      case 'settling': {
        const effects = this.#see(container, nowMs)
        return this.isProbed ? [...effects, { kind: 'probe-ports' }] : effects
      }
      case 'created':
      case 'running':
      case 'draining':
      case 'over':
      case 'gone':
        return this.#see(container, nowMs)
      default:
        return unreachable(this.#phase)
    }
  }

  #see(container: ContainerFacts | null, nowMs: number): TaskEffect[] {
    switch (this.#phase.kind) {
      case 'created':
        if (container === null) return this.#vanished()
        return container.started ? this.#started(container, nowMs) : []
      case 'settling':
      case 'running':
      case 'draining':
        return this.#watch(container)
      case 'over':
        return this.#seeEnded(container)
      case 'unknown':
      case 'creating':
      case 'backing-off':
      case 'starting':
      case 'stopping':
      case 'removing':
      case 'gone':
        return []
      default:
        return unreachable(this.#phase)
    }
  }

  #adopt(container: ContainerFacts | null, nowMs: number): TaskEffect[] {
    const { lastState } = this.#options
    this.#container = container
    if (hasEnded(lastState)) return this.#adoptEnded(container)
    if (container === null) return this.#beginOrMiss()
    if (!container.started) return this.#created(container)
    // It served before we came: nobody may see it leave the routes because its daemon was replaced.
    if (container.running && container.health !== 'unhealthy' && lastState === 'running') {
      return [...this.#runs('started'), ...this.#pursue()]
    }
    return this.#started(container, nowMs)
  }

  #adoptEnded(container: ContainerFacts | null): TaskEffect[] {
    this.#phase = { kind: 'over' }
    return this.#seeEnded(container)
  }

  /** What has ended stays so, whoever starts its container once more. */
  #seeEnded(container: ContainerFacts | null): TaskEffect[] {
    this.#container = container
    if (container?.running !== true) return this.#pursue()
    this.#phase = { kind: 'stopping' }
    return [{ kind: 'stop', containerId: container.id }]
  }

  /** There is no container: the task is new, or its container went away while nobody looked. */
  #beginOrMiss(): TaskEffect[] {
    if (this.#mustEnd) return this.#over(this.#wantedEnding())
    if (compareTaskStates(this.#options.lastState, 'starting') >= 0) return this.#vanished()
    return [...this.#tell('accepted', 'accepted'), ...this.#create()]
  }

  #create(): TaskEffect[] {
    this.#phase = { kind: 'creating' }
    return [...this.#tell('preparing', 'preparing'), { kind: 'create' }]
  }

  #createFailed({ because, mayPass }: { because: string; mayPass: boolean }): TaskEffect[] {
    const delayMs = mayPass && !this.#mustEnd ? createRetryDelayMs(++this.#createFailures) : null
    if (delayMs === null) return this.#over(rejected(because))
    this.#phase = { kind: 'backing-off' }
    this.#err = rejected(because).err
    const told = this.#tell('preparing', `tries again in ${delayMs / 1000} s`)
    return [...told, { kind: 'retry-create', delayMs }]
  }

  #created(container: ContainerFacts | null): TaskEffect[] {
    if (container === null) return this.#vanished()
    this.#container = container
    this.#err = ''
    this.#phase = { kind: 'created' }
    return [...this.#tell('ready', 'prepared'), ...this.#pursue()]
  }

  #start(): TaskEffect[] {
    if (this.#container === null) return this.#vanished()
    this.#phase = { kind: 'starting' }
    const { id } = this.#container
    return [...this.#tell('starting', 'starting'), { kind: 'start', containerId: id }]
  }

  #started(container: ContainerFacts | null, nowMs: number): TaskEffect[] {
    if (container === null) return this.#vanished()
    this.#phase = { kind: 'settling', sinceMs: nowMs }
    const starts = container.running ? this.#tell('starting', 'starting') : []
    return [...starts, ...this.#watch(container), ...this.#settle()]
  }

  /** It runs, as far as the engine can tell; does it work? */
  #settle(): TaskEffect[] {
    if (this.#phase.kind !== 'settling') return []
    if (this.#mustEnd) return this.#pursue()
    if (!this.isProbed) return []
    const { hasPorts, probedPorts } = this.#options
    const isSilent = !hasPorts || probedPorts?.length === 0
    return isSilent ? this.#runs('started') : [{ kind: 'probe-ports' }]
  }

  /** Of a container that was started. */
  #watch(container: ContainerFacts | null): TaskEffect[] {
    if (container === null) return this.#vanished()
    const isOtherRun = isAnotherStart(this.#container, container)
    this.#container = container
    if (!container.running) return this.#over(this.#ending ?? this.#ownEnding(container))
    if (this.#phase.kind === 'draining') return []
    if (isOtherRun) return this.#end(failed('its container was restarted by hand'))
    if (container.health === 'unhealthy') return this.#end(unhealthy(container))
    if (this.#phase.kind === 'settling') {
      return container.health === 'healthy' ? this.#runs('started') : []
    }
    return this.#tell(this.#state, container.paused === true ? pausedMessage : this.#message)
  }

  #ownEnding(container: ContainerFacts): Ending {
    return this.#mustEnd ? this.#wantedEnding() : endingOf(container)
  }

  #tick(nowMs: number): TaskEffect[] {
    if (this.#phase.kind !== 'settling' || !this.isProbed) return []
    if (nowMs - this.#phase.sinceMs < settlingLimitMs) return []
    return this.#runs('started, but no target port accepts connections')
  }

  #runs(message: string): TaskEffect[] {
    this.#phase = { kind: 'running' }
    return this.#tell('running', message)
  }

  /** Gives up a container that runs: it leaves the routes first, if it was ever in them. */
  #end(ending: Ending): TaskEffect[] {
    this.#ending = ending
    if (this.#phase.kind !== 'running' || !this.#options.hasPorts) return this.#stop()
    this.#phase = { kind: 'draining' }
    return [...this.#tell(this.#state, this.#message), { kind: 'drain' }]
  }

  #stop(): TaskEffect[] {
    if (this.#container === null) return this.#vanished()
    this.#phase = { kind: 'stopping' }
    const { id } = this.#container
    return [...this.#tell(this.#state, this.#message), { kind: 'stop', containerId: id }]
  }

  #stopped(container: ContainerFacts | null): TaskEffect[] {
    this.#container = container
    return this.#over(this.#ending)
  }

  #vanished(): TaskEffect[] {
    const ending = this.#mustEnd ? this.#wantedEnding() : vanished
    this.#container = null
    return this.#over(this.#ending ?? ending)
  }

  /** With null it had ended before, and what was told of that stands. */
  #over(ending: Ending | null): TaskEffect[] {
    this.#phase = { kind: 'over' }
    const isRefusedAnyway = ending?.state === 'rejected' && this.#mustEnd
    const told = isRefusedAnyway ? shutdown : ending
    this.#err = told?.err ?? ''
    const effects = told === null ? [] : this.#tell(told.state, told.message)
    return [...effects, ...this.#pursue()]
  }

  #cleanUp(): TaskEffect[] {
    if (this.#container === null) return this.#gone()
    this.#phase = { kind: 'removing' }
    return [{ kind: 'remove', containerId: this.#container.id }]
  }

  #gone(): TaskEffect[] {
    this.#phase = { kind: 'gone' }
    return [{ kind: 'forget' }]
  }

  #tell(state: TaskState, message: string): TaskEffect[] {
    this.#state = state
    if (message !== pausedMessage) this.#message = message
    const container = this.#container
    const report: TaskReport = {
      state,
      message,
      err: this.#err,
      containerId: container?.id ?? this.#told?.containerId ?? '',
      exitCode: container?.exitCode ?? null,
      pid: container?.pid ?? 0,
      serving: this.#phase.kind === 'running' && container?.paused !== true,
      draining: this.#phase.kind === 'draining' || this.#phase.kind === 'stopping',
      targets: container?.targets ?? {},
      ...(container?.hostPorts !== undefined && { hostPorts: container.hostPorts }),
    }
    if (this.#told !== null && sameJson(this.#told, report)) return []
    this.#told = report
    return [{ kind: 'report', report }]
  }
}

/** Somebody stopped and started it so quickly that nobody saw its end. */
function isAnotherStart(before: ContainerFacts | null, now: ContainerFacts): boolean {
  if (before?.startedAt === undefined || now.startedAt === undefined) return false
  return before.startedAt !== now.startedAt
}
