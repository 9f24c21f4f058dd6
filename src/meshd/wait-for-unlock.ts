import type { Log } from '../../mesh/base/log.ts'
import { parseUnlockKey } from '../../mesh/identity/unlock-key.ts'
import type { Vault } from '../../mesh/storage/vault.ts'
import { lockedApi } from '../api/locked-api.ts'
import { listenOnSocket, serverFor } from './api-listener.ts'
import type { Config } from './config.ts'
import { version } from './version.ts'

export interface LockedStart {
  readonly config: Config
  readonly name: string
  readonly runtime: 'docker' | 'process'
  readonly vault: Vault
  readonly log: Log
  /** Somebody wants the daemon to end. */
  readonly stopped: Promise<unknown>
}

/** Until an operator has given the key; false when the daemon is to end before. */
export async function waitForUnlock({ vault, stopped, ...start }: LockedStart): Promise<boolean> {
  const { config, name, runtime, log } = start
  const unlocked = Promise.withResolvers<void>()
  const unlock = (text: string): boolean => {
    const key = parseUnlockKey(text)
    const isKey = key !== null && vault.unlock(key)
    if (!isKey) log.warn({}, 'somebody tried to unlock this node with a key that is not its own')
    return isKey
  }
  const answer = lockedApi({ name, version, runtime, unlock })
  const server = serverFor((req, res) => {
    // The answer is out before its connection goes.
    res.once('close', () => vault.isLocked || unlocked.resolve())
    answer(req, res)
  })
  await using _ = await listenOnSocket(server, config.socketPath)
  const call = `meshctl -H unix://${config.socketPath} swarm unlock`
  log.warn({ run: call }, 'the keys of this manager are locked: it waits for the unlock key')
  await Promise.race([unlocked.promise, stopped])
  if (vault.isLocked) return false
  log.info({}, 'unlocked')
  return true
}
