import { createHash } from 'node:crypto'
import { arch, availableParallelism, homedir, totalmem } from 'node:os'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type {
  ContainerEngine,
  ContainerHandle,
  ContainerRequest,
  ContainerState,
  EngineDescription,
} from './container-engine.ts'
import { engineFault } from './engine-fault.ts'
import { commandLine, processRefusal, taskEnvironment } from './process-command.ts'
import { findFreePort } from './free-port.ts'
import { OutputTail } from './output-tail.ts'
import { stopSignalNumber } from './stop-signal.ts'
import { SupervisedChild } from './supervised-child.ts'

export interface ProcessEngineDeps {
  readonly clock: Clock
  readonly log: Log
  /** PATH and HOME of the daemon, which tasks inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

interface Entry {
  readonly id: string
  readonly request: ContainerRequest
  readonly output: OutputTail
  readonly waiting: (() => void)[]
  /** 0 until it starts. */
  port: number
  child: SupervisedChild | null
  isStarting: boolean
  exitCode: number | null
}

/** Tasks listen here, whatever address the node itself has: only its own ingress dials them. */
const taskHost = '127.0.0.1'

/**
 * Runs a task's command as the daemon's own user, without images or isolation: to try meshd out and
 * for tests. Its containers end with the daemon, so a fresh engine has none.
 */
export class ProcessEngine implements ContainerEngine {
  readonly kind = 'process'
  readonly #deps: ProcessEngineDeps
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(id: string) => void>()

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

  refuses(request: ContainerRequest): string | null {
    return processRefusal(request)
  }

  create(request: ContainerRequest): Promise<ContainerHandle> {
    const because = processRefusal(request)
    if (because !== null) return Promise.reject(engineFault('engine/refused', because))
    const id = createHash('sha256').update(request.taskId).digest('hex')
    if (!this.#entries.has(id)) {
      this.#entries.set(id, {
        id,
        request,
        output: new OutputTail(),
        waiting: [],
        port: 0,
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
      const argv = commandLine(entry.request, this.#deps.environment['PATH'] ?? '')
      const taken = new Set([...this.#entries.values()].map((other) => other.port))
      entry.port = await findFreePort(taskHost, taken)
      entry.child = await SupervisedChild.spawn({
        argv,
        env: taskEnvironment(entry.request, this.#place(entry.port)),
        output: entry.output,
        clock: this.#deps.clock,
        ended: (exitCode) => this.#ended(entry, exitCode),
      })
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
    return Promise.resolve(entry === undefined ? null : stateOf(entry))
  }

  list(): Promise<readonly ContainerState[]> {
    return Promise.resolve([...this.#entries.values()].map(stateOf))
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

  #place(port: number): Readonly<Record<string, string>> {
    const { environment } = this.#deps
    return {
      PATH: environment['PATH'] ?? '',
      HOME: environment['HOME'] ?? homedir(),
      PORT: String(port),
      HOST: taskHost,
    }
  }

  #ended(entry: Entry, exitCode: number): void {
    entry.child = null
    entry.exitCode = exitCode
    for (const resolve of entry.waiting.splice(0)) resolve()
    this.#notify(entry.id)
  }

  #notify(id: string): void {
    for (const listener of this.#listeners) listener(id)
  }
}

/** Docker's names, which constraints compare. */
const architectureNames: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

function stateOf(entry: Entry): ContainerState {
  const { id, request, child, exitCode, port } = entry
  const targets = child === null ? [] : request.targetPorts
  const lastLine = exitCode === null ? null : entry.output.lastLine()
  return {
    id,
    taskId: request.taskId,
    running: child !== null,
    started: child !== null || exitCode !== null,
    pid: child?.pid ?? 0,
    exitCode,
    isOutOfMemory: false,
    health: 'none',
    targets: Object.fromEntries(targets.map((target) => [target, `${taskHost}:${port}`])),
    ...(lastLine === null ? {} : { lastLine }),
  }
}
