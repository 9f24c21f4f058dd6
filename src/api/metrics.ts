import type { ApiContext } from './api-context.ts'
import type { Exchange } from './exchange.ts'
import { expose, expositionType, type Metric } from './exposition.ts'

/** What this node knows of itself, for Prometheus; answered without a leader, and by workers too. */
export function metrics(context: ApiContext, { res }: Exchange): void {
  const text = expose([...gaugesOf(context), ...context.deps.ingressMetrics()])
  res.writeHead(200, {
    'content-type': expositionType,
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}

function gaugesOf(context: ApiContext): Metric[] {
  const { deps } = context
  const { catalog, observed } = context.localView()
  const { isSelf, term, leader } = deps.node.leader()
  const alive = [...observed.members.values()].filter(({ state }) => state === 'alive')
  const delayHelp = 'How late the event loop was at its worst within the last minute.'
  return [
    gauge('meshd_event_loop_delay_seconds', delayHelp, deps.eventLoopDelayMs() / 1000),
    gauge('meshd_raft_term', 'The term as this node knows it.', term),
    gauge(
      'meshd_raft_applied_index',
      'Up to here the log of the managers is applied on this node.',
      catalog.index,
    ),
    gauge('meshd_raft_is_leader', 'Whether this node leads the managers.', Number(isSelf)),
    gauge('meshd_raft_has_leader', 'Whether this node knows a leader.', Number(leader !== null)),
    gauge(
      'meshd_members_alive',
      'Members that this node sees alive, itself among them.',
      alive.length,
    ),
    gauge(
      'meshd_members_known',
      'Members that this node knows, alive or not.',
      observed.members.size,
    ),
    gauge(
      'meshd_task_records',
      'Tasks of which this node knows what their nodes say.',
      observed.tasks.size,
    ),
  ]
}

const gauge = (name: string, help: string, value: number): Metric => ({
  name,
  help,
  type: 'gauge',
  samples: [{ value }],
})
