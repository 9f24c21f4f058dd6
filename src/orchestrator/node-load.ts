import type { HostPort } from '../model/docker.ts'
import type { Quantities } from '../model/task-spec-view.ts'
import { parseRfc3339 } from '../model/rfc3339.ts'
import type { TaskView } from '../model/task-view.ts'

const failureMemoryMs = 5 * 60_000

/** What a node carries, kept up to date while a pass places more on it. */
export class NodeLoad {
  #nanoCpus = 0
  #memoryBytes = 0
  #wanted = 0
  readonly #hostPorts = new Set<string>()
  readonly #wantedOf = new Map<string, number>()
  readonly #failuresOf = new Map<string, number>()

  /** Reserved by tasks that still may use it, those on their way out too. */
  get reserved(): Quantities {
    return { nanoCpus: this.#nanoCpus, memoryBytes: this.#memoryBytes }
  }

  /** Tasks that are meant to run here. */
  get wanted(): number {
    return this.#wanted
  }

  /** A task here publishes this port on the node itself. */
  holdsPort(port: HostPort): boolean {
    return this.#hostPorts.has(portKey(port))
  }

  wantedOf(serviceId: string): number {
    return this.#wantedOf.get(serviceId) ?? 0
  }

  /** Tasks of this service that failed here within five minutes, as far as history is kept. */
  failuresOf(serviceId: string): number {
    return this.#failuresOf.get(serviceId) ?? 0
  }

  add(task: TaskView, nowMs: number): void {
    if (task.hasEnded) {
      if (isRecentFailure(task, nowMs)) increment(this.#failuresOf, task.serviceId)
      return
    }
    this.#nanoCpus += task.spec.reservations.nanoCpus
    this.#memoryBytes += task.spec.reservations.memoryBytes
    for (const port of task.spec.hostPorts) {
      if (port.publishedPort > 0) this.#hostPorts.add(portKey(port))
    }
    if (!task.isWanted) return
    this.#wanted++
    increment(this.#wantedOf, task.serviceId)
  }
}

const portKey = ({ protocol, publishedPort }: HostPort): string => `${publishedPort}/${protocol}`

function isRecentFailure(task: TaskView, nowMs: number): boolean {
  if (task.state !== 'failed' && task.state !== 'rejected') return false
  const endedAtMs = parseRfc3339(task.body.Status.Timestamp) ?? task.updatedAtMs
  return task.stopCause === null && nowMs - endedAtMs < failureMemoryMs
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
