import type { Log } from '../../mesh/base/log.ts'
import { parseUnlockKey } from '../../mesh/identity/unlock-key.ts'
import type { LocalMeshNode } from '../../mesh/node/local-mesh-node.ts'
import type { Vault } from '../../mesh/storage/vault.ts'
import { unlockKeyOf } from '../model/autolock.ts'
import type { ClusterStore } from './cluster-store.ts'

export interface LockKeeping {
  readonly node: Pick<LocalMeshNode, 'role'>
  readonly store: Pick<ClusterStore, 'view' | 'onChange'>
  readonly vault: Vault
  readonly log: Log
}

/** Locks the keys of this node as the cluster has it, while it is a manager; disposed, it is done. */
export function keepLocked({ node, store, vault, log }: LockKeeping): AsyncDisposable {
  let seen: object | undefined
  let seenRole = ''
  let pending: Promise<void> = Promise.resolve()
  const look = (): void => {
    const cluster = store.view.catalog.list('cluster')[0]
    if (cluster === undefined || (cluster === seen && node.role === seenRole)) return
    seen = cluster
    seenRole = node.role
    pending = obey().catch((error: unknown) => {
      // Whatever changes next in the cluster makes it try again.
      seen = undefined
      log.error({ err: error }, 'the lock on the keys of this node could not be changed')
    })
  }
  const obey = async (): Promise<void> => {
    const order = node.role === 'manager' ? unlockKeyOf(store.view.catalog) : null
    const isWorker = node.role === 'worker'
    if (order === null && !isWorker) return
    const unlockKey = order?.key == null ? null : parseUnlockKey(order.key)
    const done =
      order === null ? await vault.release() : await vault.obey({ serial: order.serial, unlockKey })
    if (done === 'as it was') return
    const isLocked = unlockKey !== null
    log.info({}, isLocked ? 'the keys of this manager are locked' : 'the keys are not locked')
  }
  look()
  const end = store.onChange(look)
  return {
    [Symbol.asyncDispose]: () => {
      end()
      return pending
    },
  }
}
