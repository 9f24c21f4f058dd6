import type { CatalogReader, Change, NewObject, StoredObject } from '../../mesh/catalog/types.ts'
import type { Cluster, Node, Service } from '../model/docker.ts'
import { sameJson } from '../model/same-json.ts'
import { asJson } from './as-json.ts'
import type { ClusterSnapshot } from './snapshot-file.ts'

/** Kinds of which the snapshot decides what there is; nodes come and go by joins and removals only. */
export const restoredKinds = ['service', 'network', 'secret', 'config'] as const

const changesABatch = 256
const bytesABatch = 512 * 1024

export interface RestorePlan {
  /** One transaction each, to be written in this order. */
  readonly batches: readonly (readonly Change[])[]
  readonly created: number
  readonly updated: number
  readonly removed: number
  /** Names of nodes of the snapshot that are no members: they have to join again. */
  readonly missingNodes: readonly string[]
}

/** What makes the table what the snapshot says, beginning with what frees names and ports. */
export function planRestore(
  catalog: CatalogReader,
  snapshot: ClusterSnapshot,
  clusterId: string,
): RestorePlan {
  const wanted = snapshot.objects.filter(isRestored)
  const isSameCluster = snapshot.clusterId === clusterId
  const removals = restoredKinds.flatMap((kind) => removalsOf(kind, catalog, wanted))
  const creations: Change[] = []
  const updates: Change[] = []
  const releases: Change[] = []
  for (const object of wanted) {
    const present = catalog.get(object.kind, object.id)
    const restored = withNewVersion(object, catalog.index + 1)
    if (present === undefined) creations.push({ kind: 'create', object: restored })
    else if (!isSame(present, object)) {
      updates.push(update(restored))
      if (present.claims.some((claim) => !object.claims.includes(claim))) {
        releases.push(release(present, object))
      }
    }
  }
  for (const object of snapshot.objects) {
    const settings = settingsOf(object, catalog, { clusterId, isSameCluster })
    if (settings !== null) updates.push(update(settings))
  }
  const nodes = snapshot.objects.filter(({ kind }) => kind === 'node')
  return {
    batches: [removals, releases, updates, creations].flatMap(inBatches),
    created: creations.length,
    updated: updates.length,
    removed: removals.length,
    missingNodes: nodes.filter(({ id }) => catalog.get('node', id) === undefined).map(nameOfNode),
  }
}

const isRestored = ({ kind }: NewObject): boolean =>
  restoredKinds.some((restored) => restored === kind)

function removalsOf(kind: string, catalog: CatalogReader, wanted: readonly NewObject[]): Change[] {
  const kept = new Set(wanted.filter((object) => object.kind === kind).map(({ id }) => id))
  const surplus = catalog.list(kind).filter(({ id }) => !kept.has(id))
  return surplus.map(({ id }) => ({ kind: 'delete', ref: { kind, id }, ifVersion: null }))
}

const update = (object: NewObject): Change => ({ kind: 'update', object, ifVersion: null })

/** Two objects may have swapped names since: both let go before either takes. */
function release({ kind, id, claims, body }: StoredObject, wanted: NewObject): Change {
  const kept = claims.filter((claim) => wanted.claims.includes(claim))
  return update({ kind, id, claims: kept, body })
}

function isSame(present: StoredObject, wanted: NewObject): boolean {
  if (present.kind !== 'service') return sameJson(present.body, wanted.body)
  const [now, then] = [present.body, wanted.body] as unknown as [Service, Service]
  return sameJson(now.Spec, then.Spec) && sameJson(now.Endpoint, then.Endpoint)
}

/** Tasks of a service are compared by the index of its spec, which must not go backwards. */
function withNewVersion(object: NewObject, index: number): NewObject {
  if (object.kind !== 'service') return object
  const { UpdateStatus: _, ...service } = object.body as unknown as Service
  return { ...object, body: asJson({ ...service, SpecVersion: { Index: index } }) }
}

interface Around {
  readonly clusterId: string
  readonly isSameCluster: boolean
}

/** Settings of the cluster and of members that are still here; null when nothing is to be changed. */
function settingsOf(object: NewObject, catalog: CatalogReader, around: Around): NewObject | null {
  if (object.kind === 'cluster') return clusterSettings(object, catalog, around)
  return object.kind === 'node' && around.isSameCluster ? nodeSettings(object, catalog) : null
}

/** The authority stays, and so do the keys of the gossip: the members of today have them. */
function clusterSettings(
  object: NewObject,
  catalog: CatalogReader,
  { clusterId, isSameCluster }: Around,
): NewObject | null {
  const present = catalog.get('cluster', clusterId)
  if (present === undefined) return null
  const now = present.body as unknown as Cluster
  const then = object.body as unknown as Cluster
  const { JoinSecrets } = isSameCluster ? then.Secrets : now.Secrets
  // Managers are locked with the key of today, or not at all.
  const { EncryptionConfig = {} } = now.Spec
  const Spec = { ...then.Spec, EncryptionConfig }
  const body = asJson({ ...now, Spec, Secrets: { ...now.Secrets, JoinSecrets } })
  if (sameJson(body, present.body)) return null
  return { kind: 'cluster', id: present.id, claims: present.claims, body }
}

/** Not its role: who votes is never decided by a file. */
function nodeSettings(object: NewObject, catalog: CatalogReader): NewObject | null {
  const present = catalog.get('node', object.id)
  if (present === undefined) return null
  const now = present.body as unknown as Node
  const then = object.body as unknown as Node
  const body = asJson({ ...now, Spec: { ...then.Spec, Role: now.Spec.Role } })
  if (sameJson(body, present.body)) return null
  return { kind: 'node', id: present.id, claims: present.claims, body }
}

function nameOfNode({ id, body }: NewObject): string {
  const { Spec, Description } = body as unknown as Node
  return Spec.Name || Description.Hostname || id
}

function inBatches(changes: readonly Change[]): Change[][] {
  const batches: Change[][] = []
  let bytes = Infinity
  for (const change of changes) {
    const length = Buffer.byteLength(JSON.stringify(change))
    const isFull = (batches.at(-1)?.length ?? 0) >= changesABatch || bytes + length > bytesABatch
    if (isFull) {
      batches.push([])
      bytes = 0
    }
    batches.at(-1)?.push(change)
    bytes += length
  }
  return batches
}
