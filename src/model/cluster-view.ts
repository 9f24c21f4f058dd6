import { assert } from '../../mesh/base/assert.ts'
import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import type { Cluster } from './docker.ts'

export interface ClusterSettings {
  readonly id: string
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Tasks kept per slot, the running one included; negative: all. */
  readonly taskHistoryLimit: number
  readonly caCertificatePem: string
  /** Undefined on a worker: the projection leaves it out. */
  readonly secrets: Cluster['Secrets'] | undefined
  readonly body: Cluster
}

const defaultTaskHistoryLimit = 5

function clusterSettings(object: StoredObject): ClusterSettings {
  assert(object.kind === 'cluster', 'cluster settings need a cluster')
  const body = object.body as unknown as Omit<Cluster, 'Secrets'> & Partial<Cluster>
  const orchestration = body.Spec?.['Orchestration'] as
    | { readonly TaskHistoryRetentionLimit?: number }
    | undefined
  return {
    id: object.id,
    version: object.version,
    createdAtMs: object.createdAtMs,
    updatedAtMs: object.updatedAtMs,
    taskHistoryLimit: orchestration?.TaskHistoryRetentionLimit ?? defaultTaskHistoryLimit,
    caCertificatePem: body.CaCertificatePem,
    secrets: body.Secrets,
    body: body as Cluster,
  }
}

/** Null before the cluster is founded or known. */
export function clusterOf(catalog: CatalogReader): ClusterSettings | null {
  const object = catalog.list('cluster')[0]
  return object === undefined ? null : clusterSettings(object)
}
