import type { Cluster } from '../model/docker.ts'
import { withUnlockKey } from '../model/autolock.ts'
import type { ApiContext } from './api-context.ts'
import { badRequest, conflict } from './api-error.ts'

/** Whoever gets here runs; a node that is locked answers elsewhere. */
export function refuseUnlock(context: ApiContext): never {
  context.refuseOnWorker()
  throw conflict('swarm is not locked')
}

export interface LockWish {
  /** The spec as submitted: it may say whether managers lock their keys. */
  readonly submitted: unknown
  readonly isRotated: boolean
  readonly draw: () => string
}

/** The cluster as the wish has it, with another key wherever one is due. */
export function withLock(cluster: Cluster, { submitted, isRotated, draw }: LockWish): Cluster {
  const wasLocked = (cluster.Secrets.UnlockKey?.Key ?? null) !== null
  const isLocked = autolockIn(submitted) ?? wasLocked
  if (isLocked === wasLocked && !(isLocked && isRotated)) return cluster
  return withUnlockKey(cluster, isLocked ? draw() : null)
}

/** Undefined when the spec does not say. */
function autolockIn(submitted: unknown): boolean | undefined {
  const { EncryptionConfig: config } = (submitted ?? {}) as { readonly EncryptionConfig?: unknown }
  if (config === undefined || config === null) return undefined
  if (typeof config !== 'object') throw badRequest('invalid EncryptionConfig: expected object')
  const { AutoLockManagers: wanted } = config as { readonly AutoLockManagers?: unknown }
  if (wanted === undefined || wanted === null) return undefined
  if (typeof wanted === 'boolean') return wanted
  throw badRequest('invalid EncryptionConfig.AutoLockManagers: expected boolean')
}
