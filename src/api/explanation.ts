import type { ApiContext } from './api-context.ts'
import { unavailable } from './api-error.ts'
import { sendJson, type Exchange } from './exchange.ts'
import { findService } from './services.ts'

/** Ours: why tasks of a service wait for a node, a line per filter. Only the leader knows. */
export async function explainService(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const { id } = findService(await context.currentView(), reference)
  const lines = context.deps.explain(id)
  if (lines !== null) return sendJson(exchange, 200, { Lines: lines })
  if (context.passToLeader(exchange)) return
  throw unavailable('the leader just changed', undefined, 'try again in a moment')
}
