import type { Random } from '../../mesh/base/random.ts'
import type { Endpoint, Listener } from '../routing/route-table.ts'

export interface PickFacts {
  readonly isTried: (endpoint: Endpoint) => boolean
  readonly isReachable: (endpoint: Endpoint) => boolean
  readonly isLocal: (endpoint: Endpoint) => boolean
  readonly load: (endpoint: Endpoint) => number
  readonly random: Random
}

/** Two endpoints drawn at random from the best ones there are; the less loaded of them wins. */
export function pickEndpoint(listener: Listener, facts: PickFacts): Endpoint | null {
  const untried = listener.endpoints.filter((endpoint) => !facts.isTried(endpoint))
  const preferences: ((endpoint: Endpoint) => boolean)[] = [
    facts.isReachable,
    (endpoint) => endpoint.preferred,
  ]
  if (listener.options.prefer === 'local') preferences.push(facts.isLocal)
  const best = preferences.reduce(narrow, untried)
  const first = best[facts.random.below(Math.max(best.length, 1))]
  const second = best[facts.random.below(Math.max(best.length, 1))]
  if (first === undefined || second === undefined) return null
  return facts.load(second) < facts.load(first) ? second : first
}

/** Those that are preferred, unless that leaves none. */
function narrow(
  endpoints: readonly Endpoint[],
  isPreferred: (endpoint: Endpoint) => boolean,
): Endpoint[] {
  const preferred = endpoints.filter(isPreferred)
  return preferred.length > 0 ? preferred : [...endpoints]
}
