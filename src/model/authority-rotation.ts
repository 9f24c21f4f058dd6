import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import type {
  AuthorityTrust,
  PresentAuthority,
  RotationMark,
  RotationSeen,
} from '../../mesh/catalog/policy.ts'
import type { CatalogReader, Change, StoredObject } from '../../mesh/catalog/types.ts'
import type { CaRotation, Cluster } from './docker.ts'

/**
 * How the authority changes while everybody goes on: first all learn to trust the next root, then
 * it issues and all get new certificates, then the old one is no longer trusted and join tokens
 * name the new one. A step ends when all have taken it. Who is down is waited for only as long as a
 * restart takes: the old authority's word for the new one stays, and leads it back in later.
 */
const downWaitMs = 15_000
/** A node that is up and still cannot follow is treated as one that is down. */
const stepMsMax = 300_000
/** Processes beside the daemons hear of a step a moment after them. */
const stepMsMin = 2000
/** Words for successors that are kept: so many rotations may a node sleep through. */
const formerKept = 4

export interface NextRoot {
  readonly id: string
  readonly rootPem: string
  /** The same as the root, or an intermediate that it has issued. */
  readonly signerPem: string
  readonly crossPem: string
  readonly keyPem: string
}

/** The cluster with the first step of a rotation to this authority. */
export function beginRotation(cluster: Cluster, next: NextRoot, atMs: number): Cluster {
  const { id, rootPem, signerPem, crossPem, keyPem } = next
  const CaRotation: CaRotation = {
    Id: id,
    Step: 'trust',
    AtMs: atMs,
    CaCertificatePem: rootPem,
    ...(signerPem !== rootPem && { CaIntermediatePem: signerPem }),
    CrossPem: crossPem,
  }
  return { ...cluster, CaRotation, Secrets: { ...cluster.Secrets, NextCaKeyPem: keyPem } }
}

/** What managers issue certificates with now; null on a worker. */
export function presentAuthority(catalog: CatalogReader): PresentAuthority | null {
  const object = clusterObject(catalog)
  if (object === undefined) return null
  const cluster = bodyOf(object)
  if (cluster.Secrets === undefined) return null
  const { CaKeyPem, NextCaKeyPem, JoinSecrets, GossipKeys } = cluster.Secrets
  const isNextOne = cluster.CaRotation?.Step === 'issue'
  return {
    clusterId: object.id,
    caCertificatePem: cluster.CaCertificatePem,
    caKeyPem: isNextOne ? (NextCaKeyPem ?? CaKeyPem) : CaKeyPem,
    joinSecrets: { manager: JoinSecrets.Manager, worker: JoinSecrets.Worker },
    gossipKeys: GossipKeys,
    signerPem: signerOf(cluster),
    chainPem: isNextOne ? nextChainOf(cluster) : chainOf(cluster),
    trustedPem: trustedOf(cluster),
  }
}

export function authorityTrust(catalog: CatalogReader): AuthorityTrust | null {
  const object = clusterObject(catalog)
  if (object === undefined) return null
  const cluster = bodyOf(object)
  const { CaRotation: change } = cluster
  return {
    trustedPem: trustedOf(cluster),
    signerPem: signerOf(cluster),
    rotation: change === undefined ? null : { id: change.Id, step: change.Step },
  }
}

/** The next step of a rotation, when its time has come. */
export function rotationDue(catalog: CatalogReader, seen: RotationSeen): Change[] {
  const object = clusterObject(catalog)
  if (object === undefined) return []
  const cluster = bodyOf(object)
  const { CaRotation: change } = cluster
  if (change === undefined || cluster.Secrets === undefined) return []
  if (!isStepOver(change, catalog, seen)) return []
  const founded: Cluster = { ...cluster, Secrets: cluster.Secrets }
  switch (change.Step) {
    case 'trust':
      return [asChange(object, withStep(founded, { ...change, Step: 'issue', AtMs: seen.nowMs }))]
    case 'issue':
      return [asChange(object, completed(founded, change, seen))]
  }
}

function isStepOver(change: CaRotation, catalog: CatalogReader, seen: RotationSeen): boolean {
  // A clock that was set back must not hold it up for ever.
  const passedMs = Math.abs(seen.nowMs - change.AtMs)
  if (passedMs < stepMsMin) return false
  const behind = catalog
    .list('node')
    .map(({ id }): NodeId => nodeId(id))
    .filter((node) => !hasTaken(seen.markOf(node), change))
  if (behind.length === 0 || passedMs >= stepMsMax) return true
  return passedMs >= downWaitMs && behind.every((node) => seen.isDown(node))
}

const hasTaken = (mark: RotationMark | null, { Id, Step }: CaRotation): boolean =>
  mark?.id === Id && (mark.step === Step || Step === 'trust')

const withStep = (cluster: Cluster, CaRotation: CaRotation): Cluster => ({ ...cluster, CaRotation })

function completed(cluster: Cluster, change: CaRotation, { joinSecrets }: RotationSeen): Cluster {
  const { CaRotation: _, CaIntermediatePem: _former, ...rest } = cluster
  const { NextCaKeyPem, ...secrets } = cluster.Secrets
  const { CaCertificatePem, CaIntermediatePem, CrossPem } = change
  return {
    ...rest,
    CaCertificatePem,
    ...(CaIntermediatePem !== undefined && { CaIntermediatePem }),
    CaFormerPem: [CrossPem, ...chainOf(cluster)].slice(0, formerKept),
    Secrets: {
      ...secrets,
      CaKeyPem: NextCaKeyPem ?? secrets.CaKeyPem,
      JoinSecrets: { Manager: joinSecrets.manager, Worker: joinSecrets.worker },
    },
  }
}

type KnownCluster = Omit<Cluster, 'Secrets'> & Partial<Pick<Cluster, 'Secrets'>>

const trustedOf = ({ CaCertificatePem, CaRotation }: KnownCluster): readonly string[] =>
  CaRotation === undefined ? [CaCertificatePem] : [CaCertificatePem, CaRotation.CaCertificatePem]

function signerOf(cluster: KnownCluster): string {
  const { CaRotation: change } = cluster
  const { CaIntermediatePem, CaCertificatePem } = change?.Step === 'issue' ? change : cluster
  return CaIntermediatePem ?? CaCertificatePem
}

const chainOf = ({ CaIntermediatePem, CaFormerPem = [] }: KnownCluster): readonly string[] =>
  CaIntermediatePem === undefined ? CaFormerPem : [CaIntermediatePem, ...CaFormerPem]

function nextChainOf(cluster: KnownCluster): readonly string[] {
  const { CaIntermediatePem, CrossPem } = cluster.CaRotation ?? {}
  const own = [CaIntermediatePem, CrossPem].filter((pem) => pem !== undefined)
  return [...own, ...chainOf(cluster)].slice(0, own.length + formerKept - 1)
}

function asChange({ kind, id, claims, version }: StoredObject, cluster: Cluster): Change {
  const object = { kind, id, claims, body: cluster as unknown as Json }
  return { kind: 'update', object, ifVersion: version }
}

const clusterObject = (catalog: CatalogReader): StoredObject | undefined =>
  catalog.list('cluster')[0]

const bodyOf = (cluster: StoredObject): KnownCluster => cluster.body as unknown as KnownCluster
