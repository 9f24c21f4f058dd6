import type { NodeId } from '../../mesh/base/ids.ts'
import { CatalogView } from '../../mesh/catalog/catalog-view.ts'
import type { DiscoveryRecord } from '../../mesh/discovery/types.ts'
import type { Member } from '../../mesh/membership/types.ts'
import type { MeshNode } from '../../mesh/node/mesh-node.ts'
import type { NodeRecord, TaskRecord } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import { decodeNodeRecord, decodeTaskRecord } from '../wire/records.ts'

const taskPrefix = 'task/'

/**
 * What this node knows, kept up to date: the one place where catalog, records, members and data
 * path meet. Readers take `view` and look; they are told that something changed, not what.
 */
export class ClusterStore implements Disposable {
  readonly #catalog = new CatalogView()
  readonly #members = new Map<NodeId, Member>()
  readonly #tasks = new Map<string, { readonly node: NodeId; readonly record: TaskRecord }>()
  readonly #nodes = new Map<NodeId, NodeRecord>()
  readonly #dataPath = new Map<NodeId, boolean>()
  readonly #listeners = new Set<() => void>()
  readonly #ends: readonly (() => void)[]

  constructor(node: Pick<MeshNode, 'watchCatalog' | 'watchMembers' | 'watchRecords'>) {
    this.#ends = [
      node.watchCatalog((delta) => {
        this.#catalog.apply(delta)
        this.#changed()
      }),
      node.watchMembers((members) => {
        for (const member of members) this.#members.set(member.id, member)
        this.#changed()
      }),
      node.watchRecords((records) => {
        for (const record of records) this.#takeRecord(record)
        this.#changed()
      }),
    ]
  }

  get view(): ClusterView {
    return {
      catalog: this.#catalog,
      observed: {
        members: this.#members,
        tasks: this.#tasks,
        nodes: this.#nodes,
        dataPath: this.#dataPath,
      },
    }
  }

  /** Calls `listener` after each change; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What this node's ingress found out about another node's data path. */
  setDataPath(node: NodeId, isAnswering: boolean): void {
    if (this.#dataPath.get(node) === isAnswering) return
    this.#dataPath.set(node, isAnswering)
    this.#changed()
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end()
    this.#listeners.clear()
  }

  #takeRecord(record: DiscoveryRecord): void {
    if (record.key === 'node/status') return this.#takeNodeRecord(record)
    if (!record.key.startsWith(taskPrefix)) return
    const taskId = record.key.slice(taskPrefix.length)
    const decoded = record.value === null ? null : decodeTaskRecord(record.value)
    if (decoded !== null) this.#tasks.set(taskId, { node: record.node, record: decoded })
    // Only who said it may take it back: another node's tombstone says nothing of this one.
    else if (this.#tasks.get(taskId)?.node === record.node) this.#tasks.delete(taskId)
  }

  #takeNodeRecord(record: DiscoveryRecord): void {
    const decoded = record.value === null ? null : decodeNodeRecord(record.value)
    if (decoded === null) this.#nodes.delete(record.node)
    else this.#nodes.set(record.node, decoded)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
