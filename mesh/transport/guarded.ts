import { InvariantError } from '../base/assert.ts'
import type { Log } from '../base/log.ts'

/**
 * Runs what listens to a peer. libp2p would turn anything thrown here into the end of the process,
 * so that a message which somebody stumbles over would fell every node it reaches. False when it
 * threw. Our own bugs pass through: they are to end it.
 */
export function guarded(log: Log, what: string, action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (error instanceof InvariantError) throw error
    log.error({ what, reason: error instanceof Error ? error.message : String(error) }, 'listener')
    return false
  }
}
