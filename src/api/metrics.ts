import type { ApiContext } from './api-context.ts'
import type { Exchange } from './exchange.ts'

interface Gauge {
  readonly name: string
  readonly help: string
  readonly value: number
}

/** What this node knows of itself, for Prometheus; answered without a leader, and by workers too. */
export function metrics(context: ApiContext, { res }: Exchange): void {
  const text = gaugesOf(context).map(describe).join('')
  res.writeHead(200, {
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}

function gaugesOf(context: ApiContext): Gauge[] {
  const { deps } = context
  const { catalog, observed } = context.localView()
  const { isSelf, term, leader } = deps.node.leader()
  const alive = [...observed.members.values()].filter(({ state }) => state === 'alive')
  return [
    {
      name: 'meshd_event_loop_delay_ms',
      help: 'How late the event loop was at its worst within the last minute.',
      value: deps.eventLoopDelayMs(),
    },
    { name: 'meshd_raft_term', help: 'The term as this node knows it.', value: term },
    {
      name: 'meshd_raft_applied_index',
      help: 'Up to here the log of the managers is applied on this node.',
      value: catalog.index,
    },
    {
      name: 'meshd_raft_is_leader',
      help: 'Whether this node leads the managers.',
      value: Number(isSelf),
    },
    {
      name: 'meshd_raft_has_leader',
      help: 'Whether this node knows a leader.',
      value: Number(leader !== null),
    },
    {
      name: 'meshd_members_alive',
      help: 'Members that this node sees alive, itself among them.',
      value: alive.length,
    },
    {
      name: 'meshd_members_known',
      help: 'Members that this node knows, alive or not.',
      value: observed.members.size,
    },
    {
      name: 'meshd_task_records',
      help: 'Tasks of which this node knows what their nodes say.',
      value: observed.tasks.size,
    },
  ]
}

const describe = ({ name, help, value }: Gauge): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`
