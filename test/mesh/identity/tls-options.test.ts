import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import {
  authenticatedPeer,
  clientTlsOptions,
  serverTlsOptions,
  trustOf,
} from '../../../mesh/identity/tls-options.ts'
import { TestCluster } from './test-cluster.ts'

const alpn = ['mesh-test/1']

async function handshake(server: NodeIdentity, client: NodeIdentity, session?: Buffer) {
  const listener = createServer(serverTlsOptions(server, { alpn }))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const accepted = once(listener, 'secureConnection')
  const options = { ...clientTlsOptions(client, { alpn }), host: '127.0.0.1', port }
  const dialled = connect(session === undefined ? options : { ...options, session })
  try {
    const [[inbound]] = await Promise.all([accepted, once(dialled, 'secureConnect')])
    return { inbound: inbound as TLSSocket, dialled, close: () => listener.close() }
  } catch (error) {
    dialled.destroy()
    listener.close()
    throw error
  }
}

test('both ends of a connection learn who the other one is', async () => {
  const cluster = new TestCluster()
  const [server, client] = [await cluster.member(), await cluster.member({ role: 'worker' })]
  const { inbound, dialled, close } = await handshake(server, client)
  const seenByServer = authenticatedPeer(inbound, trustOf(server, Date.now()))
  const seenByClient = authenticatedPeer(dialled, trustOf(client, Date.now()))
  assert.ok(!('refused' in seenByServer) && !('refused' in seenByClient))
  assert.equal(seenByServer.nodeId, client.nodeId)
  assert.equal(seenByClient.nodeId, server.nodeId)
  assert.equal(dialled.alpnProtocol, alpn[0])
  assert.equal(dialled.getProtocol(), 'TLSv1.3')
  dialled.destroy()
  close()
})

test('a stranger with the same names fails the handshake on either side', async () => {
  const [cluster, impostors] = [new TestCluster(1), new TestCluster(1)]
  const [member, impostor] = [await cluster.member(), await impostors.member()]
  await assert.rejects(handshake(member, impostor))
  await assert.rejects(handshake(impostor, member))
})

test('a server gives out no session that could be resumed', async () => {
  const cluster = new TestCluster()
  const [server, client] = [await cluster.member(), await cluster.member()]
  const first = await handshake(server, client)
  const sessions: Buffer[] = []
  first.dialled.on('session', (session) => sessions.push(session))
  first.inbound.write('x')
  await once(first.dialled, 'data')
  first.dialled.destroy()
  first.close()
  const second = await handshake(server, client, sessions[0])
  assert.equal(second.dialled.isSessionReused(), false)
  second.dialled.destroy()
  second.close()
})
