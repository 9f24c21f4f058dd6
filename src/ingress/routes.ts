import { parseAddress, type Address } from './loop.ts'
import { portName } from './place.ts'
import type { Listener, LocalTask, Peer, RouteTable } from '../routing/route-table.ts'

/** The route table of this moment, looked up by what a connection knows. */
export class Routes {
  #table: RouteTable | null = null
  #listeners: ReadonlyMap<string, Listener> = new Map()
  #tasks: ReadonlyMap<string, LocalTask> = new Map()
  #peers: ReadonlyMap<string, Peer> = new Map()
  /** Where the tasks run that clients may be sent to. */
  #nodes: ReadonlyMap<string, string> = new Map()
  /** Tasks here and elsewhere of which an order said that they drain, before a table did. */
  readonly #draining = new Set<string>()
  readonly #waiting = new Set<() => void>()

  get table(): RouteTable | null {
    return this.#table
  }

  /** Tables replace each other whole. */
  replace(table: RouteTable): void {
    this.#table = table
    this.#listeners = new Map(table.listeners.map((listener) => [portName(listener), listener]))
    this.#tasks = new Map(table.localTasks.map((task) => [task.task, task]))
    this.#peers = new Map(table.peers.map((peer) => [peer.node, peer]))
    const endpoints = table.listeners.flatMap((listener) => listener.endpoints)
    this.#nodes = new Map(endpoints.map((endpoint) => [endpoint.task, endpoint.node]))
    for (const task of this.#draining) {
      if (!this.#tasks.has(task) && !this.#nodes.has(task)) this.#draining.delete(task)
    }
    this.wake()
  }

  /** Something else has changed that may open a way: everybody who waits looks again. */
  wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const tell of waiting) tell()
  }

  listener(port: number, protocol: Listener['protocol'] = 'tcp'): Listener | undefined {
    return this.#listeners.get(portName({ protocol, port }))
  }

  isPeer(node: string): boolean {
    return this.#peers.has(node)
  }

  isPeerDead(node: string): boolean {
    return this.#peers.get(node)?.isDead === true
  }

  /** Of a task of this node. */
  drain(task: string): void {
    this.#draining.add(task)
  }

  /** Another node says it of one of its own. */
  drainRemote(node: string, task: string): void {
    if (this.#nodes.get(task) === node) this.#draining.add(task)
  }

  isDraining(task: string): boolean {
    return this.#draining.has(task)
  }

  /** Where to dial a task; null when it is not run here, drains, or is another assignment. */
  target(task: string, generation: number, targetPort: number): Address | null {
    const local = this.#tasks.get(task)
    if (local === undefined || local.draining || this.isDraining(task)) return null
    if (local.generation !== generation) return null
    return parseAddress(local.targets[targetPort] ?? '')
  }

  /** Calls once, at the next change; the returned function takes it back. */
  onceChanged(tell: () => void): () => void {
    this.#waiting.add(tell)
    return () => void this.#waiting.delete(tell)
  }
}
