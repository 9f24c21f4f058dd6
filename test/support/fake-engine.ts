import type {
  ContainerEngine,
  ContainerHandle,
  ContainerRequest,
  ContainerState,
  EngineDescription,
} from '../../src/containers/container-engine.ts'
import type { LogLine } from '../../src/model/log-line.ts'
import { engineFault } from '../../src/containers/engine-fault.ts'

interface FakeContainer {
  readonly request: ContainerRequest
  state: ContainerState
}

/** A container engine in memory: tests play the world, and read what was asked of it. */
export class FakeEngine implements ContainerEngine {
  readonly kind: 'docker' | 'process'
  readonly containers = new Map<string, FakeContainer>()
  /** Calls that change something, such as `start c1`, in order. */
  readonly calls: string[] = []
  /** What tasks printed, by id. */
  readonly printed = new Map<string, readonly LogLine[]>()
  isUp = true
  /** Why the next creations fail. */
  createFault: string | null = null
  readonly #listeners = new Set<(id: string) => void>()
  #drawn = 0

  constructor(kind: 'docker' | 'process' = 'docker') {
    this.kind = kind
  }

  async describe(): Promise<EngineDescription> {
    await this.#answer()
    return {
      version: '1',
      architecture: 'x86_64',
      os: 'linux',
      nanoCpus: 2e9,
      memoryBytes: 1e9,
      labels: {},
    }
  }

  async create(request: ContainerRequest): Promise<ContainerHandle> {
    await this.#answer()
    if (this.createFault !== null) throw engineFault('engine/image-missing', this.createFault)
    const existing = this.ofTask(request.taskId)
    if (existing !== null) return { id: existing }
    const id = `c${++this.#drawn}`
    this.calls.push(`create ${request.taskId}`)
    this.containers.set(id, { request, state: { ...fresh, id, taskId: request.taskId } })
    return { id }
  }

  async start(id: string): Promise<void> {
    await this.#answer()
    const { request } = this.#find(id)
    this.calls.push(`start ${id}`)
    const targets = request.targetPorts.map((port) => [port, `10.0.0.1:${port}`])
    this.#change(id, {
      running: true,
      started: true,
      pid: 7,
      targets: Object.fromEntries(targets) as Record<string, string>,
    })
  }

  async stop(id: string, options: { signal: string | null; graceMs: number }): Promise<void> {
    await this.#answer()
    if (this.containers.get(id)?.state.running !== true) return
    this.calls.push(`stop ${id} ${options.signal ?? 'default'} ${options.graceMs}`)
    this.exit(id, 0)
  }

  async remove(id: string): Promise<void> {
    await this.#answer()
    if (this.containers.delete(id)) this.calls.push(`remove ${id}`)
    this.#notify(id)
  }

  async inspect(id: string): Promise<ContainerState | null> {
    await this.#answer()
    return this.containers.get(id)?.state ?? null
  }

  async list(): Promise<readonly ContainerState[]> {
    await this.#answer()
    return [...this.containers.values()].map(({ state }) => state)
  }

  async *logs(taskId: string): AsyncGenerator<LogLine> {
    await this.#answer()
    yield* this.printed.get(taskId) ?? []
  }

  watch(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Its program ends by itself. */
  exit(id: string, exitCode: number, lastLine?: string): void {
    const end = { running: false, pid: 0, exitCode, targets: {} }
    this.#change(id, { ...end, ...(lastLine !== undefined && { lastLine }) })
  }

  /** Somebody says `docker rm -f`. */
  removeByHand(id: string): void {
    this.containers.delete(id)
    this.#notify(id)
  }

  setHealth(id: string, health: ContainerState['health']): void {
    this.#change(id, { health })
  }

  ofTask(taskId: string): string | null {
    const found = [...this.containers.values()].find(({ state }) => state.taskId === taskId)
    return found?.state.id ?? null
  }

  #find(id: string): FakeContainer {
    const container = this.containers.get(id)
    if (container === undefined) throw engineFault('engine/no-such-container', `no container ${id}`)
    return container
  }

  #change(id: string, fields: Partial<ContainerState>): void {
    const container = this.#find(id)
    container.state = { ...container.state, ...fields }
    this.#notify(id)
  }

  #notify(id: string): void {
    for (const listener of this.#listeners) if (this.isUp) listener(id)
  }

  async #answer(): Promise<void> {
    await Promise.resolve()
    if (!this.isUp) throw engineFault('engine/unreachable', 'connection refused')
  }
}

const fresh: Omit<ContainerState, 'id' | 'taskId'> = {
  running: false,
  started: false,
  pid: 0,
  exitCode: null,
  isOutOfMemory: false,
  health: 'none',
  targets: {},
}
