import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../mesh/base/json.ts'
import type { NodeRecord, TaskRecord } from '../../../src/model/docker.ts'
import { decodeNodeRecord, decodeTaskRecord } from '../../../src/wire/records.ts'

const task: TaskRecord = {
  service: 's1',
  generation: 7,
  state: 'running',
  at: '2026-11-24T22:26:42.007Z',
  message: 'started',
  err: '',
  containerId: 'c1',
  exitCode: null,
  pid: 12,
  serving: true,
  draining: false,
  targets: { '80': '127.0.0.1:4711', '443': '[2001:db8::1]:1' },
}

const node: NodeRecord = {
  description: {
    Hostname: 'host',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: { NanoCPUs: 2e9, MemoryBytes: 1e9 },
    Engine: { EngineVersion: '20.10.24', Labels: { disk: 'ssd' } },
    Runtime: 'docker',
    ApiAddress: '10.0.0.1:2377',
  },
  engineReady: true,
  message: '',
  ingressReady: true,
  portConflicts: { '80': 'in use', '53/udp': 'in use' },
}

const asJson = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json

test('records arrive as they were sent', () => {
  assert.deepEqual(decodeTaskRecord(asJson(task)), task)
  assert.deepEqual(decodeNodeRecord(asJson(node)), node)
})

test('fields that we do not know are left out, not refused', () => {
  assert.deepEqual(decodeTaskRecord(asJson({ ...task, load: 1 })), task)
})

test('what is not a task record is none', () => {
  const wrong: readonly object[] = [
    { state: 'walking' },
    { generation: -1 },
    { generation: 1.5 },
    { serving: 'yes' },
    { at: 'yesterday' },
    { targets: { '80': '127.0.0.1' } },
    { targets: { '0': '127.0.0.1:80' } },
    { targets: { '80': 'evil/path:80' } },
    { err: 'x'.repeat(2000) },
  ]
  for (const fields of wrong) {
    assert.equal(decodeTaskRecord(asJson({ ...task, ...fields })), null, JSON.stringify(fields))
  }
  const { pid: _, ...incomplete } = task
  assert.equal(decodeTaskRecord(incomplete as unknown as Json), null)
  for (const value of [null, 1, 'x', []]) assert.equal(decodeTaskRecord(value), null)
})

test('what is not a node record is none', () => {
  for (const fields of [
    { engineReady: 1 },
    { description: null },
    { description: { ...node.description, Runtime: 'podman' } },
    { portConflicts: { '80': 1 } },
  ]) {
    assert.equal(decodeNodeRecord(asJson({ ...node, ...fields })), null, JSON.stringify(fields))
  }
})
