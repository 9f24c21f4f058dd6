import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { arch, availableParallelism, homedir, totalmem } from 'node:os'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { HostPort } from '../model/docker.ts'
import type {
  ContainerEngine,
  ContainerHandle,
  ContainerRequest,
  ContainerState,
  EngineDescription,
} from './container-engine.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'
import { engineFault } from './engine-fault.ts'
import { commandLine, processRefusal, taskEnvironment } from './process-command.ts'
import { findFreePort } from './free-port.ts'
import { hasCheck, ProcessHealth } from './process-health.ts'
import { OneATurn } from './one-a-turn.ts'
import { ProcessLog } from './process-log.ts'
import { stopSignalNumber } from './stop-signal.ts'
import { SupervisedChild } from './supervised-child.ts'

export interface ProcessEngineDeps {
  readonly clock: Clock
  readonly log: Log
  /** PATH and HOME of the daemon, which tasks inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The node's own address, for tasks with host-mode ports; all addresses when it is absent. */
  readonly hostAddress?: string
}

interface Entry {
  readonly id: string
  readonly request: ContainerRequest
  readonly output: ProcessLog
  readonly waiting: (() => void)[]
  /** 0 until it starts. */
  port: number
  startedAt: string
  health: ProcessHealth | null
  child: SupervisedChild | null
  isStarting: boolean
  exitCode: number | null
}

/** Tasks listen here, whatever address the node itself has: only its own ingress dials them. */
const taskHost = '127.0.0.1'
const anyAddress = '0.0.0.0'

/** Where something that listens on `host` is dialled from here. */
function dialled(host: string, port: number): string {
  if (host === anyAddress) return `${taskHost}:${port}`
  if (!host.includes(':')) return `${host}:${port}`
  return host === '::' ? `[::1]:${port}` : `[${host}]:${port}`
}

/** A process is told one port to listen on: of several the first one counts. */
const hostPortOf = ({ hostPorts }: ContainerRequest): HostPort | undefined => hostPorts[0]

/**
 * Runs a task's command as the daemon's own user, without images or isolation: to try meshd out and
 * for tests. Its containers end with the daemon, so a fresh engine has none.
 */
export class ProcessEngine implements ContainerEngine {
  readonly kind = 'process'
  readonly #deps: ProcessEngineDeps
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(id: string) => void>()
  /** To start a process takes the whole daemon milliseconds. */
  readonly #spawns = new OneATurn()

  constructor(deps: ProcessEngineDeps) {
    this.#deps = deps
  }

  describe(): Promise<EngineDescription> {
    return Promise.resolve({
      version: process.versions.node,
      architecture: architectureNames[arch()] ?? arch(),
      os: process.platform,
      nanoCpus: availableParallelism() * 1e9,
      memoryBytes: totalmem(),
      labels: {},
    })
  }

  create(request: ContainerRequest): Promise<ContainerHandle> {
    const because = processRefusal(request)
    if (because !== null) return Promise.reject(engineFault('engine/refused', because))
    const id = containerId(request.taskId)
    if (!this.#entries.has(id)) {
      this.#entries.set(id, {
        id,
        request,
        output: new ProcessLog(() => this.#deps.clock.nowMs()),
        waiting: [],
        port: 0,
        startedAt: '',
        health: null,
        child: null,
        isStarting: false,
        exitCode: null,
      })
    }
    return Promise.resolve({ id })
  }

  async start(id: string): Promise<void> {
    const entry = this.#find(id)
    if (entry.isStarting || entry.child !== null || entry.exitCode !== null) return
    entry.isStarting = true
    try {
      const { request } = entry
      const argv = commandLine(request, this.#deps.environment['PATH'] ?? '')
      entry.port = hostPortOf(request)?.publishedPort || (await this.#freePort(request))
      const env = taskEnvironment(request, this.#place(entry))
      const cwd = request.settings.Dir || undefined
      if (cwd !== undefined && !existsSync(cwd)) {
        throw engineFault('engine/start-failed', `no such folder: ${cwd}`)
      }
      await this.#spawns.pass()
      // Nobody wants it any more: what would run now, nobody would stop.
      this.#find(id)
      entry.child = await SupervisedChild.spawn({
        argv,
        env,
        cwd,
        output: entry.output,
        clock: this.#deps.clock,
        ended: (exitCode) => this.#ended(entry, exitCode),
      })
      const { clock } = this.#deps
      entry.startedAt = String(clock.nowMs())
      const check = request.settings.Healthcheck
      if (hasCheck(check)) {
        const changed = (): void => this.#notify(id)
        entry.health = new ProcessHealth({ check, env, cwd, clock, changed })
      }
      this.#deps.log.debug({ container: entry.request.name, pid: entry.child.pid }, 'started')
      this.#notify(id)
    } finally {
      entry.isStarting = false
    }
  }

  async stop(
    id: string,
    { signal, graceMs }: { readonly signal: string | null; readonly graceMs: number },
  ): Promise<void> {
    const entry = this.#entries.get(id)
    const child = entry?.child ?? null
    if (entry === undefined || child === null) return
    const ended = new Promise<void>((resolve) => entry.waiting.push(resolve))
    const cancel = this.#deps.clock.after(graceMs, () => child.killGroup())
    child.signal(stopSignalNumber(signal))
    await ended
    cancel()
  }

  async remove(id: string): Promise<void> {
    await this.stop(id, { signal: 'SIGKILL', graceMs: 0 })
    if (this.#entries.delete(id)) this.#notify(id)
  }

  inspect(id: string): Promise<ContainerState | null> {
    const entry = this.#entries.get(id)
    return Promise.resolve(entry === undefined ? null : this.#stateOf(entry))
  }

  list(): Promise<readonly ContainerState[]> {
    return Promise.resolve([...this.#entries.values()].map((entry) => this.#stateOf(entry)))
  }

  async *logs(taskId: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const entry = this.#entries.get(containerId(taskId))
    if (entry === undefined || (entry.child === null && entry.exitCode === null)) return
    yield* entry.output.read(query, signal)
  }

  watch(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Kills what still runs: tasks of this engine never outlive the daemon. */
  async close(): Promise<void> {
    this.#listeners.clear()
    await Promise.all([...this.#entries.keys()].map((id) => this.remove(id)))
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined)
      throw engineFault('engine/no-such-container', `no such container: ${id}`)
    return entry
  }

  /** Where a task with host-mode ports listens, others see it too. */
  #hostOf(request: ContainerRequest): string {
    const { hostAddress = anyAddress } = this.#deps
    return hostPortOf(request) === undefined ? taskHost : hostAddress
  }

  #freePort(request: ContainerRequest): Promise<number> {
    const taken = new Set([...this.#entries.values()].map((other) => other.port))
    return findFreePort(this.#hostOf(request), taken)
  }

  #place({ request, port }: Entry): Readonly<Record<string, string>> {
    const { environment } = this.#deps
    const { Hostname } = request.settings
    return {
      PATH: environment['PATH'] ?? '',
      HOME: environment['HOME'] ?? homedir(),
      ...(Hostname && { HOSTNAME: Hostname }),
      PORT: String(port),
      HOST: this.#hostOf(request),
    }
  }

  #ended(entry: Entry, exitCode: number): void {
    entry.child = null
    entry.health?.close()
    entry.exitCode = exitCode
    for (const resolve of entry.waiting.splice(0)) resolve()
    this.#notify(entry.id)
  }

  #stateOf(entry: Entry): ContainerState {
    const { id, request, child, exitCode, port, health, startedAt } = entry
    const targets = child === null ? [] : request.targetPorts
    const lastLine = exitCode === null ? null : entry.output.lastLine()
    const address = dialled(this.#hostOf(request), port)
    const hostPort = child === null ? undefined : hostPortOf(request)
    const said = health?.status === 'unhealthy' ? health.output : null
    return {
      id,
      taskId: request.taskId,
      running: child !== null,
      started: child !== null || exitCode !== null,
      ...(startedAt !== '' && { startedAt }),
      pid: child?.pid ?? 0,
      exitCode,
      isOutOfMemory: false,
      health: health?.status ?? 'none',
      ...(said !== null && { healthOutput: said }),
      targets: Object.fromEntries(targets.map((target) => [target, address])),
      ...(hostPort !== undefined && { hostPorts: [{ ...hostPort, publishedPort: port }] }),
      ...(lastLine !== null && { lastLine }),
    }
  }

  #notify(id: string): void {
    for (const listener of this.#listeners) listener(id)
  }
}

const containerId = (taskId: string): string => createHash('sha256').update(taskId).digest('hex')

/** Docker's names, which constraints compare. */
const architectureNames: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }
