import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expose, histogram } from '../../../src/api/exposition.ts'
import { startApi } from '../../support/api-server.ts'

test('a node tells Prometheus how it is', async () => {
  await using server = await startApi()
  const { status, headers, text } = await server.call('GET', '/metrics')
  assert.equal(status, 200)
  assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/)
  const values = new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(' ') as [string, string]),
  )
  assert.equal(values.get('meshd_event_loop_delay_seconds'), '0.0125')
  assert.equal(values.get('meshd_raft_is_leader'), '1')
  assert.equal(values.get('meshd_raft_term'), String(server.mesh.leader().term))
  assert.equal(values.get('meshd_raft_applied_index'), String(server.mesh.view().catalog.index))
  for (const name of values.keys()) assert.ok(text.includes(`# TYPE ${name} gauge\n`), name)
})

test('a worker tells it, too', async () => {
  await using server = await startApi()
  server.mesh.role = 'worker'
  assert.equal((await server.call('GET', '/metrics')).status, 200)
})

test('where metrics are served to whoever comes, nothing else is', async () => {
  await using server = await startApi({}, { caller: { kind: 'scraper' } })
  assert.equal((await server.call('GET', '/metrics')).status, 200)
  const others = [
    '/info',
    '/_ping',
    '/services',
    '/containers/json',
    '/mesh/ingress/self',
    '/v1.44/nodes',
  ]
  for (const path of others) assert.equal((await server.call('GET', path)).status, 404, path)
  assert.equal((await server.call('POST', '/services/create', {})).status, 404)
  assert.equal((await server.call('POST', '/metrics')).status, 405)
})

test('labels are written so that no value can end its quotes', () => {
  const labels = { service: 'a"b\\c\nd' }
  const text = expose([{ name: 'x', help: 'X.', type: 'gauge', samples: [{ labels, value: 1 }] }])
  assert.equal(text, '# HELP x X.\n# TYPE x gauge\nx{service="a\\"b\\\\c\\nd"} 1\n')
})

test('what has nothing to tell is left out', () => {
  assert.equal(expose([{ name: 'x', help: 'X.', type: 'gauge', samples: [] }]), '')
})

test('buckets add up, and the last one holds everything', () => {
  const samples = histogram({}, { bounds: [0.1, 1], counts: [3, 0, 2], sum: 7.5 })
  assert.equal(
    expose([{ name: 'x_seconds', help: 'X.', type: 'histogram', samples }]),
    [
      '# HELP x_seconds X.',
      '# TYPE x_seconds histogram',
      'x_seconds_bucket{le="0.1"} 3',
      'x_seconds_bucket{le="1"} 3',
      'x_seconds_bucket{le="+Inf"} 5',
      'x_seconds_sum 7.5',
      'x_seconds_count 5',
      '',
    ].join('\n'),
  )
})
