import type { Clock } from '../../../mesh/base/clock.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type {
  ContainerEngine,
  ContainerHandle,
  ContainerRequest,
  ContainerState,
  CreateWatch,
  EngineDescription,
} from '../../../src/containers/container-engine.ts'
import type { LogLine } from '../../../src/model/log-line.ts'
import { engineFault } from '../../../src/containers/engine-fault.ts'
import { FakeEngine } from '../../support/fake-engine.ts'

export interface RoughEngineDeps {
  readonly clock: Clock
  readonly random: Random
  readonly started: (taskId: string) => void
}

export interface Resources {
  nanoCpus: number
  memoryBytes: number
}

const unreachableMs = 15_000
/** Longer than it is left alone by a daemon that has nothing to ask. */
const restartMs = 6_000

/**
 * A container engine as the world has it: it takes its time, goes away, hangs, and does what it was
 * asked although its answer is lost. What its images do is in their names: `crash-1`, `slow-2` …
 */
export class RoughEngine {
  readonly resources: Resources = { nanoCpus: 4e9, memoryBytes: 4e9 }
  trouble: 'none' | 'down' | 'hanging' = 'none'
  isRegistrySilent = false
  readonly #fake = new FakeEngine('docker')
  readonly #images = new Set<string>()
  readonly #deps: RoughEngineDeps

  constructor(deps: RoughEngineDeps) {
    this.#deps = deps
  }

  get containers(): ContainerState[] {
    return [...this.#fake.containers.values()].map(({ state }) => state)
  }

  get running(): ContainerState[] {
    return this.containers.filter((container) => container.running)
  }

  /** For one life of a daemon: nothing more comes of it once that is over. */
  open(): EngineSession {
    return new EngineSession(this, this.#fake)
  }

  setTrouble(trouble: 'none' | 'down' | 'hanging'): void {
    this.trouble = trouble
    this.#fake.isUp = trouble !== 'down'
  }

  /** Its containers run on meanwhile. */
  restart(): void {
    this.setTrouble('down')
    this.#deps.clock.after(restartMs, () => this.setTrouble('none'))
  }

  exit(id: string, exitCode: number): void {
    const running = this.#fake.containers.get(id)?.state.running === true
    if (running) this.#fake.exit(id, exitCode)
  }

  removeByHand(id: string): void {
    this.#fake.removeByHand(id)
  }

  /** The machine lost its power. */
  exitAll(): void {
    for (const { id } of this.running) this.exit(id, 137)
  }

  async create(request: ContainerRequest, watch?: CreateWatch): Promise<ContainerHandle> {
    await this.#pull(request.image, watch)
    return this.#fake.create(request)
  }

  async start(id: string): Promise<void> {
    await this.#fake.start(id)
    const request = this.#fake.containers.get(id)?.request
    if (request === undefined) return
    this.#deps.started(request.taskId)
    const { clock, random } = this.#deps
    const [behaviour] = request.image.split('-')
    if (behaviour === 'crash') clock.after(300 + random.below(3000), () => this.exit(id, 1))
    if (behaviour === 'once') clock.after(2000 + random.below(9000), () => this.exit(id, 0))
  }

  async stop(id: string): Promise<void> {
    await this.#pause(100 + this.#deps.random.below(2500))
    await this.#fake.stop(id, { signal: null, graceMs: 0 })
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    await this.#pause(1 + this.#deps.random.below(20))
    await this.#reach()
    const answer = await act()
    await this.#pause(this.#deps.random.below(20))
    // If it is gone by now, what was asked for has happened all the same.
    await this.#reach()
    return answer
  }

  /** Waits while it hangs; rejects when it is gone, or hangs for too long. */
  async #reach(): Promise<void> {
    if (this.trouble === 'down') throw engineFault('engine/unreachable', 'connection refused')
    for (let waitedMs = 0; this.trouble === 'hanging'; waitedMs += 250) {
      if (waitedMs >= unreachableMs) throw engineFault('engine/unreachable', 'no answer')
      await this.#pause(250)
    }
  }

  async #pull(image: string, watch?: CreateWatch): Promise<void> {
    if (this.#images.has(image)) return
    const [behaviour] = image.split('-')
    const pullMs = behaviour === 'slow' ? 5000 + this.#deps.random.below(25_000) : 400
    for (let pulledMs = 0; pulledMs < pullMs; pulledMs += 200) {
      await this.#pause(200)
      if (watch?.signal.aborted === true) throw engineFault('engine/refused', 'given up')
      if (this.isRegistrySilent) throw engineFault('engine/registry-silent', 'no registry')
      watch?.progress(`${pulledMs} of ${pullMs}`)
    }
    if (behaviour === 'missing') throw engineFault('engine/image-missing', `no ${image}`)
    this.#images.add(image)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(ms, resolve))
  }
}

export class EngineSession implements ContainerEngine {
  readonly kind = 'docker'
  readonly #engine: RoughEngine
  readonly #fake: FakeEngine
  #isOver = false

  constructor(engine: RoughEngine, fake: FakeEngine) {
    this.#engine = engine
    this.#fake = fake
  }

  end(): void {
    this.#isOver = true
  }

  describe(): Promise<EngineDescription> {
    const { resources } = this.#engine
    return this.#ask(async () => ({ ...(await this.#fake.describe()), ...resources }))
  }

  create(request: ContainerRequest, watch?: CreateWatch): Promise<ContainerHandle> {
    return this.#ask(() => this.#engine.create(request, watch))
  }

  start(id: string): Promise<void> {
    return this.#ask(() => this.#engine.start(id))
  }

  stop(id: string): Promise<void> {
    return this.#ask(() => this.#engine.stop(id))
  }

  remove(id: string): Promise<void> {
    return this.#ask(() => this.#fake.remove(id))
  }

  inspect(id: string): Promise<ContainerState | null> {
    return this.#ask(() => this.#fake.inspect(id))
  }

  list(): Promise<readonly ContainerState[]> {
    return this.#ask(() => this.#fake.list())
  }

  logs(taskId: string): AsyncGenerator<LogLine> {
    return this.#fake.logs(taskId)
  }

  watch(listener: (id: string) => void): () => void {
    return this.#fake.watch((id) => {
      if (!this.#isOver && this.#engine.trouble === 'none') listener(id)
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #ask<T>(act: () => Promise<T>): Promise<T> {
    if (this.#isOver) return new Promise(() => {})
    return new Promise((resolve, reject) => {
      this.#engine.run(act).then(
        (answer) => void (this.#isOver || resolve(answer)),
        (error: unknown) => {
          if (!this.#isOver) reject(error)
        },
      )
    })
  }
}
