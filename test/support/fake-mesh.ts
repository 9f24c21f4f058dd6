import type { Clock } from '../../mesh/base/clock.ts'
import { drawId, nodeId, type NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import { applyTransaction } from '../../mesh/catalog/apply-transaction.ts'
import { Catalog } from '../../mesh/catalog/catalog.ts'
import type { ApplyResult, CatalogDelta, Change, StoredObject } from '../../mesh/catalog/types.ts'
import type { Member, MemberState } from '../../mesh/membership/types.ts'
import { raftIdOf } from '../../mesh/node/raft-id.ts'
import type { LeaderView, NodeRole } from '../../mesh/node/mesh-node.ts'
import type { Newcomer } from '../../mesh/catalog/policy.ts'
import type { Node, NodeRecord, Service, Task } from '../../src/model/docker.ts'
import { meshPolicy } from '../../src/model/mesh-policy.ts'
import { nodesOf, type NodeView } from '../../src/model/node-view.ts'
import type { ClusterView } from '../../src/model/observed.ts'
import { rfc3339 } from '../../src/model/rfc3339.ts'

/**
 * A cluster in memory, as its first node's API sees it: the real table and the real model, without
 * consensus. Tasks are pretended: a placement and a running state appear as soon as a service does.
 */
export class FakeMesh {
  readonly self: NodeId
  readonly clusterId: string
  role: NodeRole = 'manager'
  /** What the next calls of `propose` and `barrier` reject with. */
  fault: MeshError | null = null
  leaderId: NodeId | null
  /** Demoted managers that Raft still counts. */
  readonly raftMembers = new Set<NodeId>()
  /** Services by name whose tasks stay pending, with the reason. */
  readonly stuck = new Map<string, string>()
  /** Ports that the first node could not bind, with the reason. */
  readonly portConflicts: Record<string, string> = {}
  readonly #random = new SeededRandom(7)
  readonly #clock: Clock
  readonly #members = new Map<NodeId, Member>()
  readonly #watchers = new Set<(delta: CatalogDelta) => void>()
  #catalog = Catalog.empty

  constructor(clock: Clock, nodeNames: readonly string[] = ['n1', 'n2', 'n3']) {
    this.#clock = clock
    this.clusterId = drawId(this.#random)
    const newcomers = nodeNames.map((name, at) => this.#newcomer(name, at))
    const [founder, ...joiners] = newcomers
    if (founder === undefined) throw new Error('a cluster needs a node')
    this.self = founder.node
    this.leaderId = founder.node
    this.apply(meshPolicy.found(this.#authority(), founder, clock.nowMs()))
    for (const joiner of joiners) this.apply(meshPolicy.admit(joiner, clock.nowMs()))
    for (const newcomer of newcomers) this.setMember(newcomer.node, 'alive')
    this.apply(this.#catalog.list('node').map(becomesReady))
  }

  get nodeIds(): NodeId[] {
    return [...this.#members.keys()]
  }

  readonly view = (): ClusterView => ({
    catalog: this.#catalog,
    observed: {
      members: this.#members,
      tasks: new Map(),
      nodes: new Map(nodesOf(this.#catalog).map((node) => [node.id, this.#recordOf(node)])),
      dataPath: new Map(),
    },
  })

  leader(): LeaderView {
    return { leader: this.leaderId, isSelf: this.leaderId === this.self, term: 1 }
  }

  isRaftMember(node: NodeId): boolean {
    return this.raftMembers.has(node)
  }

  async barrier(): Promise<void> {
    if (this.fault !== null) throw this.fault
  }

  async propose(changes: readonly Change[], request?: string): Promise<ApplyResult> {
    if (this.fault !== null) throw this.fault
    const result = this.apply(changes, request)
    this.#settle()
    return result
  }

  apply(changes: readonly Change[], request: string = drawId(this.#random)): ApplyResult {
    const transaction = { request, atMs: this.#clock.nowMs(), changes }
    const applied = applyTransaction(this.#catalog, transaction, this.#catalog.index + 1)
    this.#catalog = applied.catalog
    for (const listener of this.#watchers) listener(applied.delta)
    return applied.result
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    const { index } = this.#catalog
    listener({ index, reset: true, upserts: this.#catalog.all(), removals: [] })
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  setMember(id: NodeId, state: MemberState, isUdpBlocked = false): void {
    const stored = this.#catalog.get('node', id)
    const body = stored?.body as unknown as { Mesh: { GossipAddress: string } } | undefined
    const address = body?.Mesh.GossipAddress ?? ''
    const meta = {
      name: id,
      gossipAddress: address,
      controlAddress: address,
      dataPathAddress: address,
    }
    this.#members.set(id, { id, state, incarnation: 1, sinceMs: 0, meta, isUdpBlocked })
  }

  #recordOf({ id, body }: NodeView): NodeRecord {
    return {
      description: body.Description,
      engineReady: true,
      message: '',
      ingressReady: true,
      portConflicts: id === this.self ? this.portConflicts : {},
    }
  }

  #newcomer(name: string, at: number): Newcomer {
    const host = `127.0.0.${at + 1}`
    const node = nodeId(drawId(this.#random))
    return {
      node,
      role: 'manager',
      name,
      peerId: `peer-${name}`,
      keyDigest: '00',
      raftId: raftIdOf(node),
      gossipAddress: `${host}:7946`,
      controlAddress: `${host}:2377`,
      dataPathAddress: `${host}:4789`,
      availability: 'active',
      description: {
        Hostname: name,
        Platform: { Architecture: 'x86_64', OS: 'linux' },
        Resources: { NanoCPUs: 2e9, MemoryBytes: 4 * 1024 ** 3 },
        Engine: { EngineVersion: '0.1.0', Labels: {} },
        Runtime: 'process',
      },
    }
  }

  #authority(): Parameters<typeof meshPolicy.found>[0] {
    return {
      clusterId: this.clusterId,
      caCertificatePem: 'CERTIFICATE OF THE TEST',
      caKeyPem: 'KEY OF THE TEST',
      joinSecrets: { manager: drawId(this.#random), worker: drawId(this.#random) },
      gossipKeys: ['GOSSIP KEY OF THE TEST'],
    }
  }

  /** What leader and agents would do in some seconds, at once: one task a slot or node. */
  #settle(): void {
    const services = this.#catalog.list('service')
    const tasks = this.#catalog.list('task')
    const gone = tasks.filter((task) => !services.some(({ id }) => id === serviceIdOf(task)))
    const changes = [
      ...gone.map((task): Change => ({ kind: 'delete', ref: task, ifVersion: null })),
      ...services.flatMap((service) => this.#settleService(service, tasks)),
    ]
    if (changes.length > 0) this.apply(changes)
  }

  #settleService(service: StoredObject, tasks: readonly StoredObject[]): Change[] {
    const body = service.body as unknown as Service
    const have = tasks.filter((task) => serviceIdOf(task) === service.id)
    const isGlobal = body.Spec.Mode?.Global !== undefined
    const wanted = isGlobal ? this.nodeIds.length : (body.Spec.Mode?.Replicated?.Replicas ?? 1)
    const surplus = have.slice(wanted)
    const missing = Math.max(0, wanted - have.length)
    const slots = Array.from({ length: missing }, (_, at) => have.length + at)
    return [
      ...surplus.map((task): Change => ({ kind: 'delete', ref: task, ifVersion: null })),
      ...slots.map((slot): Change => this.#newTask(service.id, body, isGlobal ? null : slot)),
    ]
  }

  #newTask(serviceId: string, service: Service, slot: number | null): Change {
    const why = this.stuck.get(service.Spec.Name)
    const nodes = this.nodeIds
    const node = nodes[(slot ?? 0) % nodes.length] ?? this.self
    const Timestamp = rfc3339(this.#clock.nowMs())
    const task: Task = {
      ServiceID: serviceId,
      ServiceName: service.Spec.Name,
      ...(slot === null ? {} : { Slot: slot + 1 }),
      ...(why === undefined ? { NodeID: node } : {}),
      Spec: service.Spec.TaskTemplate,
      Status:
        why === undefined
          ? { Timestamp, State: 'running', Message: 'started' }
          : { Timestamp, State: 'pending', Message: 'pending task scheduling', Err: why },
      DesiredState: 'running',
      SpecVersion: service.SpecVersion,
      Generation: 1,
    }
    const id = drawId(this.#random)
    const object = { kind: 'task', id, claims: [], body: task as unknown as Json }
    return { kind: 'create', object }
  }
}

function becomesReady({ kind, id, claims, body }: StoredObject): Change {
  const node = body as unknown as Node
  const ready = { ...node, Status: { ...node.Status, State: 'ready' } } as unknown as Json
  return { kind: 'update', object: { kind, id, claims, body: ready }, ifVersion: null }
}

const serviceIdOf = (task: StoredObject): string => (task.body as unknown as Task).ServiceID
