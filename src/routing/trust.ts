import type { NodeId } from '../../mesh/base/ids.ts'
import type { Observed } from '../model/observed.ts'

/** `doubtful`: used when there is nothing better. `gone`: not used at all. */
export type Trust = 'good' | 'doubtful' | 'gone'

/**
 * A dead daemon is not a dead node: while its data path answers, its tasks can be reached, but
 * others come first. Nobody has heard of an unseen node yet; that is no news of its death.
 */
export function trustOf(observed: Observed, node: NodeId): Trust {
  switch (observed.members.get(node)?.state) {
    case 'alive':
      return 'good'
    case 'suspect':
    case undefined:
      return 'doubtful'
    case 'dead':
    case 'left':
      return observed.dataPath.get(node) === true ? 'doubtful' : 'gone'
  }
}

/** A suspicion that is refuted within this time was the link's fault. */
const graceMs = 300
/** How long a node that was doubted must be well before it is as good as others. */
const holdMs = 2000
/** Each relapse doubles that, up to this. */
const holdMsMax = 30_000
/** Who was well for so long has no past. */
const forgiveMs = 60_000

interface History {
  trust: Trust
  /** When what is seen now, which may not be believed yet, began. */
  seen: Trust
  seenSinceMs: number
  /** How often it fell from grace of late. */
  falls: number
}

/**
 * What to think of nodes, slow to change where haste would swing the routes: a lossy link raises
 * suspicions that are refuted at once, and a node that flaps is well every few seconds. Only a death
 * counts at once.
 */
export class SteadyTrust {
  readonly #histories = new Map<NodeId, History>()

  /** Takes in what is seen now; answers in how many ms to look again, null when nothing is pending. */
  look(observed: Observed, nowMs: number): number | null {
    let nextMs: number | null = null
    for (const node of this.#histories.keys()) {
      if (!observed.members.has(node)) this.#histories.delete(node)
    }
    for (const node of observed.members.keys()) {
      const waitMs = this.#lookAt(node, trustOf(observed, node), nowMs)
      if (waitMs !== null) nextMs = Math.min(waitMs, nextMs ?? waitMs)
    }
    return nextMs
  }

  /** Of a node that nobody has heard of, too. */
  of(node: NodeId): Trust {
    return this.#histories.get(node)?.trust ?? 'doubtful'
  }

  #lookAt(node: NodeId, seen: Trust, nowMs: number): number | null {
    const history = this.#histories.get(node)
    if (history === undefined) {
      this.#histories.set(node, { trust: seen, seen, seenSinceMs: nowMs, falls: 0 })
      return null
    }
    if (history.seen !== seen) {
      history.seen = seen
      history.seenSinceMs = nowMs
    }
    const waitMs = history.seenSinceMs + patienceMs(history) - nowMs
    if (history.trust === seen) {
      if (seen === 'good' && nowMs - history.seenSinceMs >= forgiveMs) {
        history.falls = 0
      }
      return null
    }
    if (waitMs > 0) {
      // Until it is well for long enough, the dead that come back are a last resort.
      if (history.trust === 'gone') history.trust = 'doubtful'
      return waitMs
    }
    if (history.trust === 'good') history.falls++
    history.trust = seen
    return null
  }
}

function patienceMs({ trust, seen, falls }: History): number {
  switch (seen) {
    case 'gone':
      return 0
    case 'doubtful':
      return trust === 'good' ? graceMs : 0
    case 'good':
      return Math.min(holdMsMax, holdMs * 2 ** Math.min(Math.max(0, falls - 1), 10))
  }
}
