import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { expose } from '../../../src/api/exposition.ts'
import { Tally } from '../../../src/ingress/counts/tally.ts'
import { ingressMetrics } from '../../../src/meshd/ingress-metrics.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeMesh } from '../../support/fake-mesh.ts'
import { endpointOf, taskAt, TestNode } from './test-node.ts'
import { openTwoNodes, reachEachOther } from './two-nodes.ts'

const cluster = new TestCluster()
const addresses = ['127.0.53.21', '127.0.53.22'] as const
const [entry] = addresses
const options = { protocol: 'http' } as const
let first: TestNode
let second: TestNode
let port: number
let server: Server
let agent: Agent

/** The service's only task runs on the second node; clients come to the first. */
beforeEach(async () => {
  ;({ first, second, port } = await openTwoNodes(cluster, addresses))
  agent = new Agent({ keepAlive: true, maxSockets: 1 })
  server = createServer((asked, answer) => {
    answer.statusCode = asked.url === '/absent' ? 404 : 200
    answer.end('answer')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoints = [endpointOf('b', second.id)]
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  first.route({ port, endpoints, options, peers: [second.peer] })
  const localTasks = [taskAt('b', address)]
  second.route({ port, endpoints, options, peers: [first.peer], localTasks })
  await reachEachOther({ first, second })
})

afterEach(() => {
  agent.destroy()
  server.close()
  server.closeAllConnections()
  first.plane.stop()
  second.plane.stop()
})

async function ask(path: string): Promise<number> {
  const asked = request({ host: entry, port, agent, path }).end()
  const [answer] = await once(asked, 'response')
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode as number
}

/** What a scrape of the node would find, by series. */
function scrape(node: TestNode): Map<string, number> {
  const tally = new Tally()
  const last = node.said.findLast((message) => message.kind === 'counters')
  if (last !== undefined) tally.report(node, last.counts)
  const view = new FakeMesh(systemClock).view()
  const drains = { underWay: 0, byService: new Map() }
  const lines = expose(ingressMetrics({ counts: tally.sum(), drains }, view)).split('\n')
  const series = lines.filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    series.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

test('after so many requests, both nodes have counted exactly those', async () => {
  for (let at = 0; at < 15; at++) assert.equal(await ask('/'), 200)
  for (let at = 0; at < 5; at++) assert.equal(await ask('/absent'), 404)
  const labels = `service="service-web",port="${port}",protocol="tcp"`
  await eventually(() => {
    const here = scrape(first)
    const told = (name: string, more = ''): number | undefined =>
      here.get(`meshd_${name}{${labels}${more}}`)
    assert.equal(told('http_requests_total'), 20)
    assert.equal(told('http_requests_in_flight'), 0)
    assert.equal(told('http_responses_total', ',code="2xx"'), 15)
    assert.equal(told('http_responses_total', ',code="4xx"'), 5)
    assert.equal(told('http_latency_seconds_count'), 20)
    assert.equal(told('http_latency_seconds_bucket', ',le="+Inf"'), 20)
    assert.equal(told('http_task_requests_total', ',task="b"'), 20)
    assert.equal(told('http_task_responses_total', ',task="b",code="4xx"'), 5)
    assert.equal(told('http_retries_total'), 0)
    assert.equal(told('ingress_connections_total'), 1)
    assert.equal(told('ingress_open_connections'), 1)
    assert.equal(told('ingress_failed_connections_total'), 0)
    assert.equal(here.get(`meshd_tunnel_streams_total{peer="${second.id}"}`), 1)
    assert.equal(here.get(`meshd_tunnel_open_streams{peer="${second.id}"}`), 1)
    assert.equal(here.get(`meshd_tunnel_gone_total{peer="${second.id}"}`), 0)
  })
  await eventually(() => {
    const there = scrape(second)
    const task = '{service="",task="b"}'
    assert.equal(there.get(`meshd_task_connections_total${task}`), 1)
    assert.equal(there.get(`meshd_tunnel_streams_total{peer="${first.id}"}`), 1)
    assert.ok((there.get(`meshd_task_sent_bytes_total${task}`) ?? 0) >= 20 * 'answer'.length)
    // What the one has sent into its tunnels, the other has received from them: all but pings.
    const sent = scrape(first).get(`meshd_tunnel_sent_bytes_total{peer="${second.id}"}`) ?? 0
    assert.ok(sent > 20 * 'GET / HTTP/1.1'.length, String(sent))
  })
})

test('a client that got nowhere is counted as one that failed, with its reason', async () => {
  second.plane.receive({ kind: 'drain', task: 'b' })
  first.route({ port, endpoints: [], options, peers: [second.peer] })
  assert.equal(await ask('/'), 503)
  await eventually(() => {
    const labels = `service="service-web",port="${port}",protocol="tcp",reason="no-task"`
    assert.equal(scrape(first).get(`meshd_http_failures_total{${labels}}`), 1)
  })
})
