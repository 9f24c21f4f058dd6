import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { Endpoint, ListenerOptions } from './route-table.ts'

export interface PickRequest {
  readonly endpoints: readonly Endpoint[]
  readonly self: NodeId
  readonly prefer: ListenerOptions['prefer']
  readonly balance: ListenerOptions['balance']
  /** Tasks that were tried for this connection or request. */
  readonly excluded: ReadonlySet<string>
  /** What sending one more to a task costs, in whatever measure; the lower is taken. */
  readonly cost: (task: string) => number
  readonly random: Random
  /** For `source-hash`: the client's address. */
  readonly source: string
  /** For `round-robin`: how many were picked before. */
  readonly turn: number
}

/**
 * Where to send a connection or a request. Endpoints in doubt and, with `prefer=local`, those on
 * other nodes are a second choice, never refused. Null when all were tried.
 */
export function pickBackend(request: PickRequest): Endpoint | null {
  const { endpoints, excluded, self, prefer } = request
  const untried =
    excluded.size === 0 ? endpoints : endpoints.filter(({ task }) => !excluded.has(task))
  const preferred = orAll(untried, (endpoint) => endpoint.preferred)
  const near =
    prefer === 'local' ? orAll(preferred, (endpoint) => endpoint.node === self) : preferred
  if (near.length < 2) return near[0] ?? null
  switch (request.balance) {
    case 'draws':
      return betterOfTwo(near, request)
    case 'least':
      return leastOfAll(near, request)
    case 'round-robin':
      return near[request.turn % near.length] ?? null
    case 'source-hash':
      return highestHash(near, request.source)
  }
}

function orAll(
  endpoints: readonly Endpoint[],
  isChosen: (endpoint: Endpoint) => boolean,
): readonly Endpoint[] {
  if (endpoints.every(isChosen)) return endpoints
  const chosen = endpoints.filter(isChosen)
  return chosen.length > 0 ? chosen : endpoints
}

/** Nearly as even as asking all, for two looks. */
function betterOfTwo(
  endpoints: readonly Endpoint[],
  { cost, random }: PickRequest,
): Endpoint | null {
  const firstAt = random.below(endpoints.length)
  // The second draw leaves the first out: any two are equally likely, and never twice the same.
  const drawn = random.below(endpoints.length - 1)
  const first = endpoints[firstAt]
  const second = endpoints[drawn < firstAt ? drawn : drawn + 1]
  if (first === undefined || second === undefined) return null
  return cost(second.task) < cost(first.task) ? second : first
}

/** From a place of its own each time, so that equals share. */
function leastOfAll(
  endpoints: readonly Endpoint[],
  { cost, random }: PickRequest,
): Endpoint | null {
  const start = random.below(endpoints.length)
  let best: Endpoint | null = null
  let bestCost = Number.POSITIVE_INFINITY
  for (let step = 0; step < endpoints.length; step++) {
    const endpoint = endpoints[(start + step) % endpoints.length]
    if (endpoint === undefined) continue
    const itsCost = cost(endpoint.task)
    if (itsCost >= bestCost) continue
    best = endpoint
    bestCost = itsCost
  }
  return best
}

/** A client keeps its task while that is there, and only its clients move when one goes. */
function highestHash(endpoints: readonly Endpoint[], source: string): Endpoint | null {
  let best: Endpoint | null = null
  let bestHash = -1
  for (const endpoint of endpoints) {
    const hash = mixed(`${source} ${endpoint.task}`)
    if (hash <= bestHash) continue
    best = endpoint
    bestHash = hash
  }
  return best
}

/** FNV-1a, then mixed until every bit of the text matters to every bit of the result. */
function mixed(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
