import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { StoredObject } from '../../mesh/catalog/types.ts'
import type { ContainerEngine, ContainerState } from '../containers/container-engine.ts'
import { taskView } from '../model/task-view.ts'
import { containerRequest } from './container-request.ts'
import { EngineLink } from './engine-link.ts'
import { NodeStatus, type IngressStatus } from './node-status.ts'
import { TaskRunner } from './task-runner.ts'

export interface AgentOptions {
  readonly cluster: string
  readonly node: NodeId
  readonly hostname: string
  /** Where this node answers the API and joins, `host:port`. */
  readonly apiAddress: string
  /** The operator's own engine labels. */
  readonly labels: Readonly<Record<string, string>>
}

export interface AgentDeps {
  readonly engine: ContainerEngine
  readonly clock: Clock
  readonly log: Log
  /** Puts a record of this node into the discovery; null takes it away. */
  readonly publish: (key: string, value: Json | null) => void
  /** Ports of a service that the ingress will dial at its tasks. */
  readonly targetPorts: (serviceId: string) => readonly number[]
  /** Those of them that accept connections; absent: all. */
  readonly probedPorts?: (serviceId: string) => readonly number[]
  /** Resolves when no node sends it new connections and the open ones have ended, or in time. */
  readonly drained: (taskId: string, deadlineMs: number) => Promise<void>
  /** Whether something accepts a connection at `host:port`. */
  readonly probe: (address: string) => Promise<boolean>
}

/** How long a container may take to stop of which nobody knows any more how long it may. */
const orphanGraceMs = 10_000

/**
 * Runs the tasks that the catalog gave to this node, and says what they do. Level-triggered: it
 * compares what should be with what is, whenever either changes, and adopts what it finds.
 */
export class Agent {
  readonly #options: AgentOptions
  readonly #deps: AgentDeps
  readonly #link: EngineLink
  readonly #status: NodeStatus
  readonly #runners = new Map<string, TaskRunner>()
  /** Found in the engine, by task id, and no runner's: adopted by its task, or an orphan. */
  readonly #unclaimed = new Map<string, ContainerState>()
  /** Null until the catalog has spoken: before, every container would look like an orphan. */
  #tasks: readonly StoredObject[] | null = null
  #unwatch = (): void => {}
  #isStopping = false
  #isRetiring = false
  #orphansGoing = 0
  #awaited: { readonly isSo: () => boolean; readonly resolve: () => void } | null = null

  constructor(options: AgentOptions, deps: AgentDeps) {
    this.#options = options
    this.#deps = deps
    this.#status = new NodeStatus({ ...options, runtime: deps.engine.kind }, deps.publish)
    this.#link = new EngineLink(deps, {
      read: (description, containers) => {
        this.#status.engineAnswers(description)
        this.#engineRead(containers)
      },
      lost: (because) => this.#status.engineLost(because),
      listed: (containers) => this.#engineListed(containers),
    })
  }

  /** Resolves after the first attempt to reach the engine, even if that failed. */
  async start(): Promise<void> {
    this.#unwatch = this.#deps.engine.watch((id) => this.#happened(id))
    await this.#link.open()
  }

  get isEngineReady(): boolean {
    return this.#link.isReady
  }

  /**
   * All tasks assigned to this node, whole, whatever their state; to be called whenever they change,
   * but not before the catalog was read: containers of tasks that are not here are removed.
   */
  update(tasks: readonly StoredObject[]): void {
    if (this.#isStopping) return
    this.#tasks = tasks
    const known = new Set(tasks.map((task) => task.id))
    for (const task of tasks) this.#updateTask(task)
    for (const runner of this.#runners.values()) if (!known.has(runner.id)) runner.forget()
    if (this.#link.isReady) this.#removeOrphans()
  }

  /**
   * What was known before a restart, while nobody can tell what became of it since: these tasks go
   * on. Nothing is removed: there may be newer ones.
   */
  resume(tasks: readonly StoredObject[]): void {
    if (this.#isStopping || this.#tasks !== null) return
    for (const task of tasks) this.#updateTask(task)
  }

  setIngress(ingress: IngressStatus): void {
    this.#status.ingress(ingress)
  }

  /** Docker's containers live on, for the next daemon to adopt; processes are drained and stopped. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#status.stops()
    if (this.#deps.engine.kind === 'process') {
      for (const runner of this.#runners.values()) runner.daemonStops()
      await this.#when(() => this.#isIdle)
    }
    this.#unwatch()
    this.#link.close()
    for (const runner of this.#runners.values()) runner.close()
  }

  /** The node leaves its cluster: every task is drained and stopped, and nothing of it stays. */
  async retire(): Promise<void> {
    this.#isRetiring = true
    this.#status.stops()
    this.update([])
    this.#isStopping = true
    await this.#when(() => this.#runners.size === 0 && this.#orphansGoing === 0)
  }

  #updateTask(object: StoredObject): void {
    const task = taskView(object)
    const existing = this.#runners.get(task.id)
    if (existing !== undefined) return existing.want(task.desired)
    const { cluster, node, hostname } = this.#options
    const targetPorts = this.#deps.targetPorts(task.serviceId)
    const probedPorts = this.#deps.probedPorts?.(task.serviceId)
    const { clock, log, drained, probe } = this.#deps
    const runner = new TaskRunner(task, {
      request: () => {
        const { platform } = this.#status
        return containerRequest(task, { cluster, node, hostname, platform, targetPorts })
      },
      hasPorts: targetPorts.length > 0,
      ...(probedPorts !== undefined && { probedPorts }),
      nodeName: hostname,
      link: this.#link,
      clock,
      log,
      publish: (key, value) => this.#publish(key, value),
      drained,
      probe,
      moved: (moved) => this.#moved(moved),
    })
    this.#runners.set(task.id, runner)
    if (this.#link.isReady) this.#introduce(runner)
  }

  /** Of a node that leaves, its last words stay: who replaces its tasks has to know that they ended. */
  #publish(key: string, value: Json | null): void {
    if (value !== null || !this.#isRetiring) this.#deps.publish(key, value)
  }

  #engineRead(containers: readonly ContainerState[]): void {
    this.#unclaimed.clear()
    for (const container of containers) this.#unclaimed.set(container.taskId, container)
    for (const runner of this.#runners.values()) this.#introduce(runner)
    if (this.#tasks !== null) this.#removeOrphans()
  }

  /** An engine may still do what a daemon asked of it that is gone, or that gave up waiting. */
  #engineListed(containers: readonly ContainerState[]): void {
    if (this.#tasks === null || this.#isStopping) return
    for (const container of containers) {
      if (!this.#runners.has(container.taskId)) void this.#removeOrphan(container)
    }
  }

  #introduce(runner: TaskRunner): void {
    const container = this.#unclaimed.get(runner.id) ?? null
    this.#unclaimed.delete(runner.id)
    // The list may be older than what the runner did meanwhile: it asks for its own container.
    void runner.engineRead(container?.id ?? null)
  }

  #removeOrphans(): void {
    for (const container of this.#unclaimed.values()) void this.#removeOrphan(container)
    this.#unclaimed.clear()
  }

  async #removeOrphan({ id, taskId }: ContainerState): Promise<void> {
    this.#deps.log.info({ task: taskId, container: id }, 'removing what no task owns any more')
    this.#orphansGoing++
    const answer = await this.#link.call(async (engine) => {
      await engine.stop(id, { signal: null, graceMs: orphanGraceMs })
      await engine.remove(id)
    })
    this.#orphansGoing--
    this.#tellAwaited()
    // Found again at the next reading of the engine, or the next start.
    if (answer.kind === 'failed') this.#deps.log.warn({ task: taskId, ...answer }, 'cannot remove')
  }

  #happened(containerId: string): void {
    for (const runner of this.#runners.values()) {
      if (runner.containerId === containerId) void runner.look()
    }
  }

  #moved(runner: TaskRunner): void {
    if (runner.isGone && this.#runners.get(runner.id) === runner) this.#runners.delete(runner.id)
    this.#tellAwaited()
  }

  #tellAwaited(): void {
    if (this.#awaited?.isSo() === true) this.#awaited.resolve()
  }

  get #isIdle(): boolean {
    return [...this.#runners.values()].every((runner) => !runner.isActive)
  }

  #when(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#awaited = { isSo, resolve }
    })
  }
}
