import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { Endpoint } from './route-table.ts'

export interface PickRequest {
  readonly endpoints: readonly Endpoint[]
  readonly self: NodeId
  readonly prefer: 'any' | 'local'
  /** Tasks that were tried for this connection. */
  readonly excluded: ReadonlySet<string>
  /** Open connections to a task from here. */
  readonly connections: (task: string) => number
  readonly random: Random
}

/**
 * The less loaded of two drawn at random: nearly as even as asking all, for two looks. Endpoints in
 * doubt and, with `prefer=local`, those on other nodes are a second choice, never refused. Null when
 * all were tried.
 */
export function pickBackend(request: PickRequest): Endpoint | null {
  const { endpoints, excluded, self, prefer } = request
  const untried =
    excluded.size === 0 ? endpoints : endpoints.filter(({ task }) => !excluded.has(task))
  const preferred = orAll(untried, (endpoint) => endpoint.preferred)
  const near =
    prefer === 'local' ? orAll(preferred, (endpoint) => endpoint.node === self) : preferred
  return lessLoadedOfTwo(near, request)
}

function orAll(
  endpoints: readonly Endpoint[],
  isChosen: (endpoint: Endpoint) => boolean,
): readonly Endpoint[] {
  const chosen = endpoints.filter(isChosen)
  return chosen.length > 0 ? chosen : endpoints
}

function lessLoadedOfTwo(
  endpoints: readonly Endpoint[],
  { connections, random }: PickRequest,
): Endpoint | null {
  if (endpoints.length < 2) return endpoints[0] ?? null
  const firstAt = random.below(endpoints.length)
  // The second draw leaves the first out: any two are equally likely, and never twice the same.
  const drawn = random.below(endpoints.length - 1)
  const first = endpoints[firstAt]
  const second = endpoints[drawn < firstAt ? drawn : drawn + 1]
  if (first === undefined || second === undefined) return null
  return connections(second.task) < connections(first.task) ? second : first
}
