import assert from 'node:assert/strict'
import { test } from 'node:test'
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
  assert.equal(values.get('meshd_event_loop_delay_ms'), '12.5')
  assert.equal(values.get('meshd_raft_is_leader'), '1')
  assert.equal(values.get('meshd_raft_term'), String(server.mesh.leader().term))
  assert.equal(values.get('meshd_raft_applied_index'), String(server.mesh.view().catalog.index))
  for (const name of values.keys()) assert.ok(text.includes(`# TYPE ${name} gauge\n`), name)
})
