import { assert } from '../../mesh/base/assert.ts'
import { drawId, type NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { CatalogReader, Change, StoredObject } from '../../mesh/catalog/types.ts'
import type { Node, Service, Task } from '../model/docker.ts'
import { type NodeView, nodeView } from '../model/node-view.ts'
import { sameJson } from '../model/same-json.ts'
import { type ServiceView, serviceView } from '../model/service-view.ts'
import { type TaskView, taskView } from '../model/task-view.ts'
import { changesPerPass } from './limits.ts'

export interface WorksheetOptions {
  readonly nowMs: number
  readonly random: Random
}

type Body = Node | Service | Task

/**
 * The nodes, services and tasks of one pass, to be changed freely: later rules see what earlier ones did. In
 * the end only the differences to the catalog come out, each against the version it was made from.
 */
export class Worksheet {
  readonly nowMs: number
  readonly random: Random
  readonly catalog: CatalogReader
  readonly #nodes = new Map<string, NodeView>()
  readonly #services = new Map<string, ServiceView>()
  /** Of services that take or give up ports in this pass. */
  readonly #claims = new Map<string, readonly string[]>()
  readonly #tasks = new Map<string, TaskView>()
  readonly #byService = new Map<string, Set<string>>()
  /** In the order of the first touch. */
  readonly #touched = new Map<string, 'node' | 'service' | 'task'>()

  constructor(catalog: CatalogReader, { nowMs, random }: WorksheetOptions) {
    this.catalog = catalog
    this.nowMs = nowMs
    this.random = random
    for (const object of catalog.list('node')) this.#nodes.set(object.id, nodeView(object))
    for (const object of catalog.list('service')) {
      this.#services.set(object.id, serviceView(object))
    }
    for (const object of catalog.list('task')) this.#keep(taskView(object))
  }

  nodes(): NodeView[] {
    return [...this.#nodes.values()]
  }

  node(id: NodeId): NodeView | undefined {
    return this.#nodes.get(id)
  }

  services(): ServiceView[] {
    return [...this.#services.values()]
  }

  service(id: string): ServiceView | undefined {
    return this.#services.get(id)
  }

  tasks(): TaskView[] {
    return [...this.#tasks.values()]
  }

  task(id: string): TaskView | undefined {
    return this.#tasks.get(id)
  }

  tasksOf(serviceId: string): TaskView[] {
    const ids = this.#byService.get(serviceId) ?? []
    return [...ids].flatMap((id) => this.#tasks.get(id) ?? [])
  }

  /** Services that have a task, whether they still exist or not. */
  serviceIds(): string[] {
    return [...this.#byService.keys()]
  }

  /** More would not be written in this pass; what is made beyond it is made in vain. */
  get isFull(): boolean {
    return this.#touched.size >= changesPerPass
  }

  createTask(body: Task): TaskView {
    const id = drawId(this.random)
    const made = taskView(this.#newObject('task', id, body))
    this.#keep(made)
    this.#touched.set(id, 'task')
    return made
  }

  patchTask(task: TaskView, patch: Partial<Task>): TaskView {
    const before = this.#tasks.get(task.id)
    assert(before !== undefined, 'only a task on the sheet can be changed')
    const body = { ...before.body, ...patch }
    const after = taskView({ ...this.#newObject('task', task.id, body), ...timesOf(before) })
    this.#tasks.set(task.id, after)
    this.#touched.set(task.id, 'task')
    return after
  }

  deleteTask(task: TaskView): void {
    this.#tasks.delete(task.id)
    this.#byService.get(task.serviceId)?.delete(task.id)
    this.#touched.set(task.id, 'task')
  }

  replaceNode(node: NodeView, body: Node): void {
    const after = nodeView({ ...this.#newObject('node', node.id, body), ...timesOf(node) })
    this.#nodes.set(node.id, after)
    this.#touched.set(node.id, 'node')
  }

  /** `claims` only where the change takes or gives up any. */
  replaceService(service: ServiceView, body: Service, claims?: readonly string[]): ServiceView {
    const object = { ...this.#newObject('service', service.id, body), ...timesOf(service) }
    const after = serviceView(object)
    this.#services.set(service.id, after)
    if (claims !== undefined) this.#claims.set(service.id, claims)
    this.#touched.set(service.id, 'service')
    return after
  }

  /** At most `changesPerPass`, earliest first; the next pass finds the rest again. */
  changes(): Change[] {
    const changes: Change[] = []
    for (const [id, kind] of this.#touched) {
      if (changes.length === changesPerPass) break
      const after = this.#bodyOf(kind, id)
      const claims = this.#claims.get(id)
      const change = changeBetween(this.catalog.get(kind, id), { kind, id, claims, after })
      if (change !== null) changes.push(change)
    }
    return changes
  }

  #bodyOf(kind: 'node' | 'service' | 'task', id: string): Body | undefined {
    switch (kind) {
      case 'node':
        return this.#nodes.get(id)?.body
      case 'service':
        return this.#services.get(id)?.body
      case 'task':
        return this.#tasks.get(id)?.body
    }
  }

  #keep(task: TaskView): void {
    this.#tasks.set(task.id, task)
    const ids = this.#byService.get(task.serviceId) ?? new Set()
    this.#byService.set(task.serviceId, ids.add(task.id))
  }

  #newObject(kind: string, id: string, body: Body): StoredObject {
    const json = body as unknown as Json
    const times = { version: 0, createdAtMs: this.nowMs, updatedAtMs: this.nowMs }
    return { kind, id, claims: [], body: json, ...times }
  }
}

interface Outcome {
  readonly kind: string
  readonly id: string
  /** Undefined: they stay. */
  readonly claims: readonly string[] | undefined
  readonly after: Body | undefined
}

function changeBetween(before: StoredObject | undefined, outcome: Outcome): Change | null {
  const { kind, id, after } = outcome
  const body = after as unknown as Json | undefined
  if (before === undefined) {
    return body === undefined ? null : { kind: 'create', object: { kind, id, claims: [], body } }
  }
  const ifVersion = before.version
  if (body === undefined) return { kind: 'delete', ref: { kind, id }, ifVersion }
  if (sameJson(before.body, body)) return null
  const claims = outcome.claims ?? before.claims
  return { kind: 'update', object: { kind, id, claims, body }, ifVersion }
}

function timesOf(view: TaskView | NodeView | ServiceView): {
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
} {
  const { version, createdAtMs, updatedAtMs } = view
  return { version, createdAtMs, updatedAtMs }
}
