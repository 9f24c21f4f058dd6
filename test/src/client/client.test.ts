import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ClientError } from '../../../src/client/client-error.ts'
import { parseEndpoint } from '../../../src/client/endpoint.ts'
import { MeshClient } from '../../../src/client/mesh-client.ts'
import { startApi } from '../../support/api-server.ts'

test('an endpoint is a socket or an address, in docker’s words', () => {
  assert.deepEqual(parseEndpoint('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock' })
  assert.deepEqual(parseEndpoint('tcp://10.0.0.1:2375'), {
    kind: 'tcp',
    host: '10.0.0.1',
    port: 2375,
  })
  assert.deepEqual(parseEndpoint('tcp://[::1]:1'), { kind: 'tcp', host: '::1', port: 1 })
  for (const bad of ['', 'unix://', 'tcp://x', 'tcp://x:0', 'tcp://x:99999', 'ssh://x', 'x:1']) {
    assert.equal(parseEndpoint(bad), null, bad)
  }
})

test('a refusal keeps its parts', async () => {
  await using server = await startApi()
  using client = new MeshClient({ kind: 'unix', path: server.socketPath })
  await assert.rejects(client.service('no/such'), (error) => {
    assert.ok(error instanceof ClientError && error.fault.kind === 'refused')
    assert.equal(error.fault.status, 404)
    assert.equal(error.fault.code, 'api/not-found')
    assert.equal(error.fault.what, 'service no/such not found')
    return true
  })
})

test('something else than meshd behind the address is told apart', async () => {
  const server = createServer((_req, res) => res.end('<html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => new Promise((resolve) => server.close(() => resolve())))
  cleanup.defer(() => server.closeAllConnections())
  const { port } = server.address() as AddressInfo
  using client = new MeshClient({ kind: 'tcp', host: '127.0.0.1', port })
  await assert.rejects(client.info(), (error) => {
    assert.ok(error instanceof ClientError && error.fault.kind === 'unreachable')
    assert.match(error.fault.reason, /does not answer as meshd/)
    return true
  })
})
