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
  readonly #slotsOf = new Map<string, Set<number>>()
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

  /**
   * Slots of this service that are filled here, but for one: a task is not in the way of the one that
   * takes its place.
   */
  slotsOf(serviceId: string, except: number): number {
    const slots = this.#slotsOf.get(serviceId)
    if (slots === undefined) return 0
    return slots.size - Number(slots.has(except))
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
    const slots = this.#slotsOf.get(task.serviceId) ?? new Set()
    this.#slotsOf.set(task.serviceId, slots.add(task.slot))
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
