import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import type { Json } from '../../../mesh/base/json.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import { Catalog } from '../../../mesh/catalog/catalog.ts'
import type { Change } from '../../../mesh/catalog/types.ts'
import type { Member, MemberState } from '../../../mesh/membership/types.ts'
import { serviceClaims } from '../../../src/model/claims.ts'
import type {
  Node,
  NodeRecord,
  Service,
  ServiceSpec,
  TaskRecord,
  TaskState,
} from '../../../src/model/docker.ts'
import { nodeById } from '../../../src/model/node-view.ts'
import type { ClusterView } from '../../../src/model/observed.ts'
import { rfc3339 } from '../../../src/model/rfc3339.ts'
import { type ServiceView, serviceByName } from '../../../src/model/service-view.ts'
import { compareTaskStates } from '../../../src/model/task-state.ts'
import { taskById, type TaskView, tasksOf } from '../../../src/model/task-view.ts'
import { emptyMemory, type OrchestratorMemory } from '../../../src/orchestrator/memory.ts'
import { type Reconciled, reconcile } from '../../../src/orchestrator/reconcile.ts'

export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>
  readonly role?: 'manager' | 'worker'
  readonly runtime?: 'docker' | 'process'
  readonly memoryBytes?: number
  readonly nanoCpus?: number
}

/** Ids of 25 characters that tests can read. */
export const idOf = (name: string): NodeId => nodeId(name.toLowerCase().padEnd(25, '0'))

/**
 * A cluster without machines: a catalog, what its nodes say, and a clock that moves by hand. Agents
 * are one function: an assigned task runs, a task that is not wanted stops.
 */
export class ClusterTwin {
  catalog: Catalog = Catalog.empty
  nowMs = 1_700_000_000_000
  memory: OrchestratorMemory = emptyMemory
  last: Reconciled | null = null
  readonly members = new Map<NodeId, Member>()
  readonly records = new Map<string, { readonly node: NodeId; readonly record: TaskRecord }>()
  readonly nodeRecords = new Map<NodeId, NodeRecord>()
  readonly dataPath = new Map<NodeId, boolean>()
  /** Images whose tasks fail instead of running. */
  readonly broken = new Set<string>()
  readonly #random: SeededRandom
  #requests = 0

  constructor(seed = 1) {
    this.#random = new SeededRandom(seed)
  }

  get view(): ClusterView {
    const { catalog, members, records, nodeRecords, dataPath } = this
    return { catalog, observed: { members, tasks: records, nodes: nodeRecords, dataPath } }
  }

  get tasks(): TaskView[] {
    return tasksOf(this.catalog)
  }

  task(id: string): TaskView | undefined {
    return taskById(this.catalog, id)
  }

  get wanted(): TaskView[] {
    return this.tasks.filter((task) => task.isWanted)
  }

  get running(): TaskView[] {
    return this.wanted.filter((task) => task.desired === 'running' && task.state === 'running')
  }

  addNode(name: string, options: NodeOptions = {}): NodeId {
    const id = idOf(name)
    const node = nodeBody(name, options)
    this.apply([create('node', id, node)])
    this.nodeRecords.set(id, {
      description: node.Description,
      engineReady: true,
      message: '',
      ingressReady: true,
      portConflicts: {},
    })
    this.setMember(name, 'alive')
    return id
  }

  setMember(name: string, state: MemberState): void {
    const id = idOf(name)
    const node = nodeById(this.catalog, id)
    if (node === undefined) throw new Error(`no node ${name}`)
    const { GossipAddress, ControlAddress, DataPathAddress } = node.mesh
    const meta = {
      name,
      gossipAddress: GossipAddress,
      controlAddress: ControlAddress,
      dataPathAddress: DataPathAddress,
    }
    this.members.set(id, { id, state, incarnation: 1, sinceMs: 0, meta })
  }

  patchNode(name: string, patch: (node: Node) => Node): void {
    const object = this.catalog.get('node', idOf(name))
    if (object === undefined) throw new Error(`no node ${name}`)
    const body = patch(object.body as unknown as Node) as unknown as Json
    this.apply([{ kind: 'update', object: { ...object, body }, ifVersion: null }])
  }

  setAvailability(name: string, availability: Node['Spec']['Availability']): void {
    this.patchNode(name, (node) => ({
      ...node,
      Spec: { ...node.Spec, Availability: availability },
    }))
  }

  addService(name: string, spec: Partial<ServiceSpec> = {}): string {
    const id = `service${name}`.padEnd(25, '0')
    const body: Service = {
      Spec: { Name: name, TaskTemplate: { ContainerSpec: { Image: 'nginx' } }, ...spec },
      Endpoint: { Ports: spec.EndpointSpec?.Ports ?? [] },
      SpecVersion: { Index: this.catalog.index + 1 },
    }
    this.apply([
      {
        kind: 'create',
        object: { kind: 'service', id, claims: serviceClaims(body), body: body as unknown as Json },
      },
    ])
    return id
  }

  service(name: string): ServiceView {
    const service = serviceByName(this.catalog, name)
    if (service === undefined) throw new Error(`no service ${name}`)
    return service
  }

  /** As the API does it: the former spec is kept, and a former update is over. */
  patchSpec(name: string, patch: Partial<ServiceSpec>): void {
    const { id, body } = this.service(name)
    const { UpdateStatus: _former, ...rest } = body
    const Spec = { ...body.Spec, ...patch }
    const Ports = Spec.EndpointSpec?.Ports ?? []
    const SpecVersion = { Index: this.catalog.index + 1 }
    this.#replaceService(id, {
      ...rest,
      Spec,
      PreviousSpec: body.Spec,
      Endpoint: { Ports },
      SpecVersion,
    })
  }

  #replaceService(id: string, body: Service): void {
    const object = this.catalog.get('service', id)
    if (object === undefined) throw new Error(`no service ${id}`)
    const changed = { ...object, claims: serviceClaims(body), body: body as unknown as Json }
    this.apply([{ kind: 'update', object: changed, ifVersion: null }])
  }

  setImage(name: string, image: string): void {
    const { TaskTemplate } = this.service(name).body.Spec
    this.patchSpec(name, { TaskTemplate: { ...TaskTemplate, ContainerSpec: { Image: image } } })
  }

  setLabels(name: string, labels: Readonly<Record<string, string>>): void {
    this.patchNode(name, (node) => ({ ...node, Spec: { ...node.Spec, Labels: labels } }))
  }

  scale(name: string, replicas: number): void {
    this.patchSpec(name, { Mode: { Replicated: { Replicas: replicas } } })
  }

  remove(kind: string, id: string): void {
    this.apply([{ kind: 'delete', ref: { kind, id }, ifVersion: null }])
  }

  apply(changes: readonly Change[]): void {
    const request = `request ${this.#requests++}`
    const transaction = { request, atMs: this.nowMs, changes }
    const applied = applyTransaction(this.catalog, transaction, this.catalog.index + 1)
    if (applied.result.kind === 'refused') {
      throw new Error(`refused: ${JSON.stringify(applied.result.refusal)}`)
    }
    this.catalog = applied.catalog
  }

  /** One pass of the leader, written. */
  pass(): Reconciled {
    const { view, nowMs, memory } = this
    const answer = reconcile({ view, nowMs, random: this.#random, memory })
    this.memory = answer.memory
    this.last = answer
    if (answer.changes.length > 0) this.apply(answer.changes)
    return answer
  }

  /** Passes and agents in turn until nothing changes; fails when that takes too long. */
  settle(limit = 30): void {
    for (let round = 0; round < limit; round++) {
      const { changes } = this.pass()
      const before = this.records.size
      const moved = this.runAgents()
      if (changes.length === 0 && !moved && before === this.records.size) return
    }
    throw new Error('does not come to rest')
  }

  wait(ms: number): void {
    this.nowMs += ms
  }

  /** Every agent that lives does what is asked of it; true when any had to. */
  runAgents(): boolean {
    let moved = false
    for (const task of this.tasks) {
      if (task.node === null || this.members.get(task.node)?.state !== 'alive') continue
      const asked = askedFor(task)
      if (asked === null) continue
      const isRunning = this.records.get(task.id)?.record.state === 'running'
      const fails = asked === 'running' && !isRunning && this.broken.has(task.spec.image)
      const state = fails ? 'failed' : asked
      moved = this.report(task, state) || moved
    }
    for (const id of this.records.keys()) {
      if (this.catalog.get('task', id) === undefined) this.records.delete(id)
    }
    return moved
  }

  /** Its node says this of the task; false when that was said before, or it ended. */
  report(task: TaskView, state: TaskState): boolean {
    if (task.node === null) throw new Error('a task without a node has no reporter')
    const said = this.records.get(task.id)?.record.state
    if (said !== undefined && compareTaskStates(state, said) <= 0) return false
    if (said !== undefined && compareTaskStates(said, 'running') > 0) return false
    const record: TaskRecord = {
      service: task.serviceId,
      generation: task.generation,
      state,
      at: rfc3339(this.nowMs),
      message: state,
      err: state === 'failed' ? 'task: non-zero exit (1)' : '',
      containerId: `container of ${task.id}`,
      exitCode: state === 'failed' ? 1 : null,
      pid: 42,
      serving: state === 'running',
      draining: false,
      targets: { 80: '127.0.0.1:32001' },
    }
    this.records.set(task.id, { node: task.node, record })
    return true
  }
}

function askedFor(task: TaskView): TaskState | null {
  if (task.hasEnded) return null
  if (task.desired === 'running') return 'running'
  return task.desired === 'ready' ? 'ready' : 'shutdown'
}

function nodeBody(name: string, options: NodeOptions): Node {
  const address = `10.0.0.${name.length}`
  return {
    Spec: {
      Role: options.role ?? 'worker',
      Availability: 'active',
      Labels: options.labels ?? {},
    },
    Description: {
      Hostname: name,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: {
        NanoCPUs: options.nanoCpus ?? 4e9,
        MemoryBytes: options.memoryBytes ?? 8 * 2 ** 30,
      },
      Engine: { EngineVersion: '28.2.2' },
      Runtime: options.runtime ?? 'docker',
    },
    Status: { State: 'unknown', Addr: address },
    Mesh: {
      PeerId: `peer of ${name}`,
      RaftId: 1,
      KeyDigest: 'digest',
      GossipAddress: `${address}:7946`,
      ControlAddress: `${address}:2377`,
      DataPathAddress: `${address}:4789`,
    },
  }
}

const create = (kind: string, id: string, body: Node): Change => ({
  kind: 'create',
  object: { kind, id, claims: [], body: body as unknown as Json },
})
