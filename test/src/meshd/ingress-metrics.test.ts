import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expose } from '../../../src/api/exposition.ts'
import { ingressMetrics } from '../../../src/meshd/ingress-metrics.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import {
  countLimits,
  failureKinds,
  ingressCounts,
  latencyBoundsMs,
  type HttpCount,
  type IngressCounts,
} from '../../../src/wire/ingress-counts.ts'
import { FakeMesh } from '../../support/fake-mesh.ts'

const traffic = { opened: 5, open: 2, failed: 1, bytesIn: 10, bytesOut: 20, dropped: 0 }
const http: HttpCount = {
  ...{ requests: 7, inFlight: 1, retries: 2, ejections: 1, latencySumMs: 1500 },
  statusClasses: [0, 0, 5, 0, 1, 0],
  latencies: [...latencyBoundsMs.map((_, at) => (at === 0 ? 4 : 0)), 2],
  failures: failureKinds.map((kind) => (kind === 'connect' ? 1 : 0)),
}
const mesh = new FakeMesh(systemClock)
const counts: IngressCounts = {
  ports: [
    { id: 's1/tcp/80', ...traffic },
    { id: 's1/udp/53', ...traffic, dropped: 3 },
  ],
  tasks: [
    { id: 't1', ...traffic },
    { id: 'others', ...traffic },
  ],
  http: [{ id: 's1/tcp/80', ...http }],
  httpTasks: [{ id: 's1/tcp/80/t1', ...http }],
  peers: [
    {
      id: mesh.nodeIds[1] ?? '',
      ...{ opened: 9, open: 1, gone: 1, bytesIn: 1, bytesOut: 2, pings: 3, latePings: 1 },
    },
  ],
}
const drains = { underWay: 1, byService: new Map([['s1', { begun: 4, overdue: 1 }]]) }
const text = expose(ingressMetrics({ counts, drains }, mesh.view()))
const lines = text.split('\n')

const tells = (line: string): void => assert.ok(lines.includes(line), `${line}\n---\n${text}`)

test('connections, bytes and datagrams are told by entry, and by task', () => {
  tells('meshd_ingress_connections_total{service="s1",port="80",protocol="tcp"} 5')
  tells('meshd_ingress_open_connections{service="s1",port="80",protocol="tcp"} 2')
  tells('meshd_ingress_dropped_datagrams_total{service="s1",port="53",protocol="udp"} 3')
  tells('meshd_task_received_bytes_total{service="",task="t1"} 10')
  tells('meshd_task_sent_bytes_total{service="others",task="others"} 20')
})

test('requests are told by entry, and by task behind it', () => {
  const entry = 'service="s1",port="80",protocol="tcp"'
  tells(`meshd_http_requests_total{${entry}} 7`)
  tells(`meshd_http_requests_in_flight{${entry}} 1`)
  tells(`meshd_http_responses_total{${entry},code="2xx"} 5`)
  tells(`meshd_http_responses_total{${entry},code="4xx"} 1`)
  tells(`meshd_http_failures_total{${entry},reason="connect"} 1`)
  tells(`meshd_http_retries_total{${entry}} 2`)
  tells(`meshd_http_ejections_total{${entry}} 1`)
  tells(`meshd_http_latency_seconds_bucket{${entry},le="0.001"} 4`)
  tells(`meshd_http_latency_seconds_bucket{${entry},le="+Inf"} 6`)
  tells(`meshd_http_latency_seconds_sum{${entry}} 1.5`)
  tells(`meshd_http_task_requests_total{${entry},task="t1"} 7`)
})

test('tunnels are told by the name of the peer, drains by service', () => {
  tells('meshd_tunnel_streams_total{peer="n2"} 9')
  tells('meshd_tunnel_late_pings_total{peer="n2"} 1')
  tells('meshd_ingress_drains_total{service="s1"} 4')
  tells('meshd_ingress_overdue_drains_total{service="s1"} 1')
  tells('meshd_ingress_draining_tasks 1')
})

test('every name is declared once, and ends as Prometheus would have it', () => {
  const declared = lines.flatMap((line) => /^# TYPE (\S+) (\S+)$/.exec(line)?.slice(1) ?? [])
  const names = declared.filter((_, at) => at % 2 === 0)
  assert.equal(new Set(names).size, names.length)
  names.forEach((name, at) => {
    const type = declared[2 * at + 1]
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.equal(name.endsWith('_seconds'), type === 'histogram', name)
  })
})

const full = <Count extends { readonly id: string }>(limit: number, count: Count): Count[] =>
  Array.from({ length: limit + 1 }, (_, at) => ({ ...count, id: `s${at}/tcp/80` }))

test('however much there is to count, a scrape has a bound', () => {
  const [port, asked, peer] = [counts.ports[0], counts.http[0], counts.peers[0]]
  assert.ok(port !== undefined && asked !== undefined && peer !== undefined)
  const most = {
    ports: full(countLimits.ports, port),
    tasks: full(countLimits.tasks, port),
    http: full(countLimits.http, asked),
    httpTasks: full(countLimits.httpTasks, asked),
    peers: full(countLimits.peers, peer),
  }
  assert.deepEqual(ingressCounts.parse(most), most)
  const series = expose(ingressMetrics({ counts: most, drains }, mesh.view()))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  assert.ok(series.length < 26_000, String(series.length))
})
