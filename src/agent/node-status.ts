import type { Json } from '../../mesh/base/json.ts'
import type { EngineDescription } from '../containers/container-engine.ts'
import { beingStopped, type NodeDescription, type NodeRecord } from '../model/docker.ts'
import { sameJson } from '../model/same-json.ts'

export interface NodeStatusOptions {
  readonly hostname: string
  readonly apiAddress: string
  readonly runtime: 'docker' | 'process'
  /** The operator's own (`--label`), beside those of the engine. */
  readonly labels: Readonly<Record<string, string>>
}

export interface IngressStatus {
  readonly ingressReady: boolean
  /** Published ports that this node could not bind, with the reason. */
  readonly portConflicts: Readonly<Record<string, string>>
}

const key = 'node/status'

/** What this node says of itself; said again only when something of it changed. */
export class NodeStatus {
  readonly #publish: (key: string, value: Json) => void
  readonly #labels: Readonly<Record<string, string>>
  #record: NodeRecord
  #published: NodeRecord | null = null
  #isStopping = false

  constructor(options: NodeStatusOptions, publish: (key: string, value: Json) => void) {
    this.#publish = publish
    this.#labels = options.labels
    this.#record = {
      description: unknownEngine(options),
      engineReady: false,
      message: 'the container engine has not answered yet',
      ingressReady: false,
      portConflicts: {},
    }
  }

  /** As the engine told it; empty words before it did. */
  get platform(): NodeDescription['Platform'] {
    return this.#record.description.Platform
  }

  engineAnswers(engine: EngineDescription): void {
    const description: NodeDescription = {
      ...this.#record.description,
      Platform: { Architecture: engine.architecture, OS: engine.os },
      Resources: { NanoCPUs: engine.nanoCpus, MemoryBytes: engine.memoryBytes },
      Engine: { EngineVersion: engine.version, Labels: { ...engine.labels, ...this.#labels } },
    }
    this.#change({ description, engineReady: true, message: '' })
  }

  /** What is known of it stays: its tasks run on, and so may it. */
  engineLost(because: string): void {
    const message = `the container engine does not answer: ${because}`.slice(0, maxMessageLength)
    this.#change({ engineReady: false, message })
  }

  ingress(status: IngressStatus): void {
    this.#change(status)
  }

  /** From here on it takes no new tasks, whatever becomes of its engine. */
  stops(): void {
    this.#isStopping = true
    this.#change({})
  }

  #change(fields: Partial<NodeRecord>): void {
    const stopping = { engineReady: false, message: beingStopped }
    this.#record = { ...this.#record, ...fields, ...(this.#isStopping && stopping) }
    if (this.#published !== null && sameJson(this.#published, this.#record)) return
    this.#published = this.#record
    this.#publish(key, this.#record as unknown as Json)
  }
}

const maxMessageLength = 500

const unknownEngine = ({ hostname, apiAddress, runtime }: NodeStatusOptions): NodeDescription => ({
  Hostname: hostname,
  Platform: { Architecture: '', OS: '' },
  Resources: { NanoCPUs: 0, MemoryBytes: 0 },
  Engine: { EngineVersion: '' },
  Runtime: runtime,
  ApiAddress: apiAddress,
})
