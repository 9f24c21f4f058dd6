import type { CatalogReader } from '../../mesh/catalog/types.ts'
import type { Cluster } from './docker.ts'

/** What a manager has to know to lock its keys. */
export interface UnlockKey {
  readonly serial: number
  /** Null: nothing is locked. */
  readonly key: string | null
}

/** Null where it cannot be known: without a cluster yet, and in what a worker sees of it. */
export function unlockKeyOf(catalog: CatalogReader): UnlockKey | null {
  const cluster = catalog.list('cluster')[0]?.body as unknown as Partial<Cluster> | undefined
  if (cluster?.Secrets === undefined) return null
  const { Serial: serial = 0, Key: key = null } = cluster.Secrets.UnlockKey ?? {}
  return { serial, key }
}

/** The cluster as it is when managers lock their keys with this one; null: not any more. */
export function withUnlockKey(cluster: Cluster, key: string | null): Cluster {
  const Serial = (cluster.Secrets.UnlockKey?.Serial ?? 0) + 1
  return {
    ...cluster,
    Spec: { ...cluster.Spec, EncryptionConfig: { AutoLockManagers: key !== null } },
    Secrets: { ...cluster.Secrets, UnlockKey: { Serial, Key: key } },
  }
}
