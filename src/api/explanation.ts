import { whyPending } from '../orchestrator/why-pending.ts'
import { serviceById } from '../model/service-view.ts'
import type { ApiContext } from './api-context.ts'
import { sendJson, type Exchange } from './exchange.ts'
import { findService } from './services.ts'

/**
 * Ours: why tasks of a service wait for a node, a line per filter. Asked of the leader, for it is
 * the leader's idea of the nodes that counts; without one this node says what it knows.
 */
export async function explainService(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  const { id } = findService(view, reference)
  if (context.passToLeader(exchange)) return
  const service = serviceById(view.catalog, id)
  const explanation = service === undefined ? null : whyPending(view, service)
  sendJson(exchange, 200, {
    Lines: explanation?.lines.map((line) => line.text) ?? [],
    Hint: explanation?.hint ?? '',
  })
}
