import { assert } from '../../mesh/base/assert.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { CatalogReader, Change, StoredObject } from '../../mesh/catalog/types.ts'
import type { Cluster } from './docker.ts'

/**
 * How the key of the gossip changes while everybody gossips: first all learn to open what the new
 * one seals, then all seal with it, then the old one goes. Each step waits until the one before has
 * reached whoever can be reached; whoever was away gets the ring from a manager before it gossips.
 */
const stepMs = 15_000
/** As Docker's key manager has it. */
const keyLifeMs = 12 * 3600 * 1000

/** Null on a node that does not know them yet. */
export function gossipKeys(catalog: CatalogReader): readonly string[] | null {
  const body = clusterObject(catalog)?.body as unknown as Partial<Cluster> | undefined
  return body?.Secrets?.GossipKeys ?? body?.GossipKeys ?? null
}

/** Begins a change to this key; a change that is under way is given up for it. */
export function beginKeyChange(catalog: CatalogReader, key: string, atMs: number): Change[] {
  const cluster = clusterObject(catalog)
  assert(cluster !== undefined, 'only a founded cluster has keys')
  const { Secrets } = bodyOf(cluster)
  const [sealing = key] = Secrets.GossipKeys
  return [withRing(cluster, { keys: [sealing, key], step: 'spread', atMs })]
}

/** The next step of a change, when its time has come. */
export function keyChangeDue(catalog: CatalogReader, nowMs: number): Change[] {
  const cluster = clusterObject(catalog)
  if (cluster === undefined) return []
  const { GossipKeys, GossipKeyChange: change } = bodyOf(cluster).Secrets
  // A clock that was set back must not hold it up for ever.
  const isTooEarly = change !== undefined && Math.abs(nowMs - change.AtMs) < stepMs
  if (change === undefined || isTooEarly) return []
  const [first = '', second = first] = GossipKeys
  switch (change.Step) {
    case 'spread':
      return [withRing(cluster, { keys: [second, first], step: 'seal', atMs: nowMs })]
    case 'seal':
      return [withRing(cluster, { keys: [first], step: null, atMs: nowMs })]
  }
}

/** The catalog knows since when it is in use: another leader does not begin to count anew. */
export function isKeyWorn(catalog: CatalogReader, nowMs: number): boolean {
  const cluster = clusterObject(catalog)
  if (cluster === undefined) return false
  const { GossipKeyChange: change, GossipKeysAtMs: sinceMs = 0 } = bodyOf(cluster).Secrets
  return change === undefined && Math.abs(nowMs - sinceMs) >= keyLifeMs
}

interface Ring {
  readonly keys: readonly string[]
  readonly step: 'spread' | 'seal' | null
  readonly atMs: number
}

function withRing(cluster: StoredObject, { keys, step, atMs }: Ring): Change {
  const body = bodyOf(cluster)
  const { GossipKeyChange: _, ...secrets } = body.Secrets
  const Secrets: Cluster['Secrets'] = {
    ...secrets,
    GossipKeys: keys,
    GossipKeysAtMs: atMs,
    ...(step !== null && { GossipKeyChange: { Step: step, AtMs: atMs } }),
  }
  const { kind, id, claims } = cluster
  const changed = { kind, id, claims, body: { ...body, Secrets } as unknown as Json }
  return { kind: 'update', object: changed, ifVersion: cluster.version }
}

const clusterObject = (catalog: CatalogReader): StoredObject | undefined =>
  catalog.list('cluster')[0]

const bodyOf = (cluster: StoredObject): Cluster => cluster.body as unknown as Cluster
