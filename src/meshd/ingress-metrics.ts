import { nodeId } from '../../mesh/base/ids.ts'
import { histogram, type Labels, type Metric, type Sample } from '../api/exposition.ts'
import { nodeById } from '../model/node-view.ts'
import type { ClusterView } from '../model/observed.ts'
import { serviceById } from '../model/service-view.ts'
import { taskById } from '../model/task-view.ts'
import {
  failureKinds,
  latencyBoundsMs,
  othersId,
  parseEntryId,
  type HttpCount,
  type IngressCounts,
  type PeerCount,
  type TrafficCount,
} from '../wire/ingress-counts.ts'
import type { DrainCount, DrainCounts } from './ingress-drains.ts'

interface Counted {
  readonly counts: IngressCounts
  readonly drains: DrainCounts
}

/** What the ingress of this node has counted, with names for whatever still has one. */
export function ingressMetrics({ counts, drains }: Counted, view: ClusterView): Metric[] {
  const names = new Names(view)
  const ports = counts.ports.map(({ id, ...count }) => ({ labels: names.entry(id), count }))
  const tasks = counts.tasks.map(({ id, ...count }) => ({ labels: names.task(id), count }))
  const http = counts.http.map(({ id, ...count }) => ({ labels: names.entry(id), count }))
  const httpTasks = counts.httpTasks.map(({ id, ...count }) => ({ labels: names.entry(id), count }))
  const peers = counts.peers.map(({ id, ...count }) => ({ labels: names.peer(id), count }))
  return [
    ...metricsOf('meshd_ingress_', trafficKinds, ports),
    ...metricsOf('meshd_task_', trafficKinds, tasks),
    ...metricsOf('meshd_http_', httpKinds, http),
    ...metricsOf('meshd_http_task_', httpKinds, httpTasks),
    ...metricsOf('meshd_tunnel_', peerKinds, peers),
    reachable(view, names),
    ...drainMetrics(drains, names),
  ]
}

interface Kind<Count> {
  readonly name: string
  readonly type: Metric['type']
  readonly help: string
  readonly samples: (count: Count, labels: Labels) => Sample[]
}

interface Labelled<Count> {
  readonly labels: Labels
  readonly count: Count
}

const metricsOf = <Count>(
  prefix: string,
  kinds: readonly Kind<Count>[],
  counted: readonly Labelled<Count>[],
): Metric[] =>
  kinds.map(({ name, type, help, samples }) => ({
    name: `${prefix}${name}`,
    type,
    help,
    samples: counted.flatMap(({ count, labels }) => samples(count, labels)),
  }))

const one =
  <Count>(read: (count: Count) => number) =>
  (count: Count, labels: Labels): Sample[] => [{ labels, value: read(count) }]

const counter = <Count>(
  name: string,
  help: string,
  read: (count: Count) => number,
): Kind<Count> => ({ name: `${name}_total`, type: 'counter', help, samples: one(read) })

const gauge = <Count>(name: string, help: string, read: (count: Count) => number): Kind<Count> => ({
  name,
  type: 'gauge',
  help,
  samples: one(read),
})

const trafficKinds: readonly Kind<TrafficCount>[] = [
  counter('connections', 'Connections, and flows of datagrams.', ({ opened }) => opened),
  gauge('open_connections', 'Those that are open.', ({ open }) => open),
  counter('failed_connections', 'Connections that never reached a task.', ({ failed }) => failed),
  counter('received_bytes', 'Bytes from clients towards tasks.', ({ bytesIn }) => bytesIn),
  counter('sent_bytes', 'Bytes from tasks towards clients.', ({ bytesOut }) => bytesOut),
  counter('dropped_datagrams', 'Datagrams that found no room.', ({ dropped }) => dropped),
]

const httpKinds: readonly Kind<HttpCount>[] = [
  counter('requests', 'Requests that were meant for a task.', ({ requests }) => requests),
  gauge('requests_in_flight', 'Requests whose answer is not complete.', (http) => http.inFlight),
  {
    name: 'responses_total',
    type: 'counter',
    help: 'Answers of tasks, by class of their status.',
    samples: ({ statusClasses }, labels) =>
      statusClasses.slice(1).map((value, at) => ({
        labels: { ...labels, code: `${at + 1}xx` },
        value,
      })),
  },
  {
    name: 'failures_total',
    type: 'counter',
    help: 'Requests that no task answered in full, by reason.',
    samples: ({ failures }, labels) =>
      failureKinds.map((reason, at) => ({
        labels: { ...labels, reason },
        value: failures[at] ?? 0,
      })),
  },
  counter('retries', 'Requests that were sent to another task.', ({ retries }) => retries),
  counter('ejections', 'How often a task was left alone for a while.', (http) => http.ejections),
  {
    name: 'latency_seconds',
    type: 'histogram',
    help: 'From the head of a request to the head of its answer.',
    samples: ({ latencies, latencySumMs }, labels) =>
      histogram(labels, {
        bounds: latencyBoundsMs.map((ms) => ms / 1000),
        counts: latencies,
        sum: latencySumMs / 1000,
      }),
  },
]

const peerKinds: readonly Kind<PeerCount>[] = [
  counter('streams', 'Streams from and to another node.', ({ opened }) => opened),
  gauge('open_streams', 'Those that are open.', ({ open }) => open),
  counter('gone', 'Streams refused because their task is gone.', ({ gone }) => gone),
  counter('received_bytes', 'Bytes of tunnels, before encryption.', ({ bytesIn }) => bytesIn),
  counter('sent_bytes', 'Bytes of tunnels, before encryption.', ({ bytesOut }) => bytesOut),
  counter('pings', 'Pings sent to another node.', ({ pings }) => pings),
  counter('late_pings', 'Pings not answered in time.', ({ latePings }) => latePings),
]

const reachable = ({ observed }: ClusterView, names: Names): Metric => ({
  name: 'meshd_tunnel_up',
  type: 'gauge',
  help: 'Whether the data path of another node answers this one.',
  samples: [...observed.dataPath].map(([node, answers]) => ({
    labels: names.peer(node),
    value: Number(answers),
  })),
})

function drainMetrics({ underWay, byService }: DrainCounts, names: Names): Metric[] {
  const drained = [...byService].map(([id, count]) => ({
    labels: { service: names.service(id) },
    count,
  }))
  const kinds = [
    counter<DrainCount>('drains', 'Tasks of this node that were drained.', ({ begun }) => begun),
    counter<DrainCount>(
      'overdue_drains',
      'Drains that ended with connections open.',
      ({ overdue }) => overdue,
    ),
  ]
  const now: Metric = {
    name: 'meshd_ingress_draining_tasks',
    type: 'gauge',
    help: 'Tasks of this node that are being drained.',
    samples: [{ value: underWay }],
  }
  return [now, ...metricsOf('meshd_ingress_', kinds, drained)]
}

/** Names for ids; an id for itself once nothing goes by it any more. */
class Names {
  readonly #view: ClusterView

  constructor(view: ClusterView) {
    this.#view = view
  }

  service(id: string): string {
    return serviceById(this.#view.catalog, id)?.name ?? id
  }

  entry(id: string): Labels {
    const entry = parseEntryId(id)
    if (entry === null) return { service: othersId, port: '', protocol: '' }
    const { serviceId, protocol, port, task } = entry
    const labels = { service: this.service(serviceId), port: String(port), protocol }
    return task === null ? labels : { ...labels, task }
  }

  task(id: string): Labels {
    const serviceId = taskById(this.#view.catalog, id)?.serviceId
    const service = serviceId === undefined ? '' : this.service(serviceId)
    return { service: id === othersId ? othersId : service, task: id }
  }

  peer(id: string): Labels {
    return { peer: nodeById(this.#view.catalog, nodeId(id))?.name ?? id }
  }
}
