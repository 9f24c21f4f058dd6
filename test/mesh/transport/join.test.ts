import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { Log, LogFacts } from '../../../mesh/base/log.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import { issueCertificate } from '../../../mesh/identity/certificate-authority.ts'
import {
  checkCertificateRequest,
  createCertificateRequest,
} from '../../../mesh/identity/certificate-request.ts'
import { caDigest, drawJoinSecret, formatJoinToken } from '../../../mesh/identity/join-token.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { drawNodeKeys } from '../../../mesh/identity/node-keys.ts'
import type { PeerIdentity } from '../../../mesh/identity/peer-identity.ts'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import { controlFrame, joinAlpn } from '../../../mesh/transport/control-protocol.ts'
import {
  ControlListener,
  type ControlListenerOptions,
} from '../../../mesh/transport/control-listener.ts'
import { parseHostPort } from '../../../mesh/transport/host-address.ts'
import { requestJoin, type JoinResult } from '../../../mesh/transport/join-client.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { TestCluster } from '../identity/test-cluster.ts'

const secret = drawJoinSecret()
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Admits whoever knows the secret. */
function admit(
  cluster: TestCluster,
  nowMs: () => number = Date.now,
): ControlListenerOptions['onJoin'] {
  return async (request, remoteAddress) => {
    if (request.secret !== secret) return { kind: 'refused', reason: 'wrong secret' }
    const keys = checkCertificateRequest(request.certificateRequest)
    if ('refused' in keys) return { kind: 'refused', reason: keys.refused }
    const node = cluster.drawNodeId()
    const { clusterId, authority } = cluster
    const subject = { node, clusterId, role: 'worker' as const, ...keys }
    return {
      kind: 'accepted',
      nodeId: node,
      clusterId,
      role: 'worker',
      certificatePem: issueCertificate(authority, subject, Date.now()),
      caCertificatesPem: [authority.caCertificatePem],
      gossipKeys: [Buffer.alloc(32, 7).toString('base64')],
      members: [
        {
          node,
          name: request.name,
          role: 'worker',
          peerId: keys.peerId,
          gossipAddress: request.gossipAddress,
          controlAddress: request.controlAddress,
          dataPathAddress: request.dataPathAddress,
        },
      ],
      nowMs: nowMs(),
      yourAddress: remoteAddress,
    }
  }
}

interface Running {
  readonly host: string
  readonly port: number
  readonly identity: NodeIdentity
}

async function listen(
  cluster: TestCluster,
  given: Partial<ControlListenerOptions> = {},
  log: Log = silentLog,
): Promise<Running> {
  const identity = await cluster.member()
  const listener = await ControlListener.open(
    {
      identity,
      listen: { host: '127.0.0.1', port: 0 },
      isMember: () => true,
      onJoin: admit(cluster),
      onRenewal: async () => ({ kind: 'removed' }),
      onApiConnection: (socket) => socket.destroy(),
      ...given,
    },
    { clock: systemClock, log },
  )
  cleanups.push(() => listener.close())
  const bound = parseHostPort(listener.address)
  assert.ok(bound !== null)
  return { ...bound, identity }
}

const tokenOf = (cluster: TestCluster, given = secret): string =>
  formatJoinToken({ caDigest: caDigest(cluster.authority.caCertificatePem), secret: given })

async function newcomer() {
  return {
    certificateRequest: createCertificateRequest(await drawNodeKeys()),
    name: 'n2',
    gossipAddress: ':7946',
    controlAddress: '10.0.0.2:2377',
    dataPathAddress: ':4789',
    availability: 'active' as const,
    description: { cpus: 2 },
  }
}

async function join(token: string, at: { host: string; port: number }): Promise<JoinResult> {
  const request = await newcomer()
  return requestJoin({ ...at, token, request, timeoutMs: 5000, clock: systemClock })
}

const failsWith = (code: string, reason?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MeshError, String(error))
  assert.equal(error.fault.code, code)
  if (reason !== undefined) assert.match(String(error.fault['reason']), reason)
  return true
}

/** Resolves when the connection is gone, in whatever way. */
const closed = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve())
    socket.resume()
  })

function joinConnection(at: Running): TLSSocket {
  const options = { host: at.host, port: at.port, ALPNProtocols: [joinAlpn] }
  const socket = connect({ ...options, rejectUnauthorized: false })
  cleanups.push(() => socket.destroy())
  return socket
}

/** A log that keeps its warnings. */
function recordingLog(): { log: Log; warnings: LogFacts[] } {
  const warnings: LogFacts[] = []
  const log: Log = { ...silentLog, warn: (facts) => warnings.push(facts), child: () => log }
  return { log, warnings }
}

test('a machine with a token joins, and learns under which address it was seen', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster)
  const { accepted, clockWarning } = await join(tokenOf(cluster), server)
  assert.equal(accepted.clusterId, cluster.clusterId)
  assert.equal(accepted.yourAddress, '127.0.0.1')
  assert.equal(clockWarning, undefined)
  const [self] = accepted.members
  assert.equal(self?.gossipAddress, '127.0.0.1:7946')
  assert.equal(self?.controlAddress, '10.0.0.2:2377')
})

test('a cluster of many hundred members fits into the reply', async () => {
  const cluster = new TestCluster()
  const honest = admit(cluster)
  const server = await listen(cluster, {
    onJoin: async (request, from) => {
      const reply = await honest(request, from)
      if (reply.kind === 'refused') return reply
      const [member] = reply.members
      assert.ok(member !== undefined)
      return { ...reply, members: Array.from({ length: 800 }, () => member) }
    },
  })
  const { accepted } = await join(tokenOf(cluster), server)
  assert.equal(accepted.members.length, 800)
})

test('a clock that differs by more than 5 s is reported, and does not hinder', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster, { onJoin: admit(cluster, () => Date.now() + 60_000) })
  const { clockWarning } = await join(tokenOf(cluster), server)
  assert.ok(clockWarning !== undefined)
  assert.ok(Math.abs(clockWarning.differenceMs - 60_000) < 5000, `${clockWarning.differenceMs}`)
})

test('a wrong secret is refused with the reason', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster)
  await assert.rejects(
    join(tokenOf(cluster, drawJoinSecret()), server),
    failsWith('join/refused', /wrong secret/),
  )
})

test('a malformed token and a closed port say so', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster)
  await assert.rejects(join('SWMTKN-1-x', server), failsWith('join/token-malformed'))
  await cleanups.splice(0)[0]?.()
  await assert.rejects(join(tokenOf(cluster), server), failsWith('join/unreachable'))
})

test('a server of another cluster never gets the secret', async () => {
  const [mine, other] = [new TestCluster(1), new TestCluster(1)]
  let asked = 0
  const server = await listen(other, {
    onJoin: async () => {
      asked++
      return { kind: 'refused', reason: 'never' }
    },
  })
  await assert.rejects(join(tokenOf(mine), server), failsWith('join/other-cluster'))
  assert.equal(asked, 0)
})

test("a server that only shows the cluster's authority never gets a byte", async () => {
  const [mine, other] = [new TestCluster(1), new TestCluster(1)]
  const impostor = await other.member()
  let received = 0
  const server = createServer(
    {
      key: impostor.tlsKeyPem,
      cert: impostor.certificatePem + mine.authority.caCertificatePem,
      ALPNProtocols: [joinAlpn],
    },
    (socket) => socket.on('error', () => {}).on('data', (chunk) => (received += chunk.length)),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  const { port } = server.address() as AddressInfo
  await assert.rejects(
    join(tokenOf(mine), { host: '127.0.0.1', port }),
    failsWith('join/server-not-trusted'),
  )
  assert.equal(received, 0)
})

test('a reply with the certificate of somebody else is not taken', async () => {
  const cluster = new TestCluster()
  const honest = admit(cluster)
  const stranger = await cluster.member({ role: 'worker' })
  const server = await listen(cluster, {
    onJoin: async (request, from) => ({
      ...(await honest(request, from)),
      certificatePem: stranger.certificatePem,
    }),
  })
  await assert.rejects(join(tokenOf(cluster), server), failsWith('join/bad-reply', /somebody else/))
})

test('a fault while answering is told by its code', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster, {
    onJoin: () => Promise.reject(new MeshError({ code: 'raft/no-leader', unreachable: [] })),
  })
  await assert.rejects(
    join(tokenOf(cluster), server),
    failsWith('join/refused', /^raft\/no-leader$/),
  )
})

test('an oversized frame, garbage and silence each cost the stranger its connection', async () => {
  const cluster = new TestCluster()
  const { log, warnings } = recordingLog()
  const server = await listen(cluster, { joinTimeoutMs: 100 }, log)
  const oversized = joinConnection(server)
  oversized.write(Uint8Array.of(0, 1, 0, 1))
  await closed(oversized)
  const garbage = joinConnection(server)
  garbage.write(controlFrame({ version: 2 }))
  await closed(garbage)
  const slow = joinConnection(server)
  slow.write(Uint8Array.of(0, 0, 0, 9, 1))
  await closed(slow)
  const reasons = warnings.map((facts) => String(facts['reason']))
  assert.match(reasons[0] ?? '', /65537 bytes/)
  assert.match(reasons[1] ?? '', /version/)
  assert.match(reasons[2] ?? '', /within 100 ms/)
  assert.ok('accepted' in (await join(tokenOf(cluster), server)), 'others are still served')
})

test('more than 64 machines at once are told to come back', async () => {
  const cluster = new TestCluster()
  const server = await listen(cluster, { joinTimeoutMs: 20_000 })
  const waiting = Array.from({ length: 64 }, () => joinConnection(server))
  await Promise.all(waiting.map((socket) => once(socket, 'secureConnect')))
  await assert.rejects(join(tokenOf(cluster), server), failsWith('join/refused', /too many/))
})

test('a member may speak HTTP, and the listener says who it is', async () => {
  const cluster = new TestCluster()
  const peers: PeerIdentity[] = []
  const api = createHttpServer((_, response) => response.end('hello'))
  const server = await listen(cluster, {
    onApiConnection: (socket, peer) => {
      peers.push(peer)
      api.emit('connection', socket)
    },
  })
  const member = await cluster.member({ role: 'worker' })
  const { host, port } = server
  const socket = connect({ ...clientTlsOptions(member, { alpn: ['http/1.1'] }), host, port })
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 200 OK[^]*hello$/)
  assert.equal(peers[0]?.nodeId, member.nodeId)
  assert.equal(peers[0]?.role, 'worker')
})

test('strangers, impostors, removed members and unknown protocols get no HTTP', async () => {
  const cluster = new TestCluster(1)
  const removed = await cluster.member()
  const impostor = await new TestCluster(1).member()
  const { log, warnings } = recordingLog()
  let served = 0
  const { host, port } = await listen(
    cluster,
    {
      isMember: (node) => node !== removed.nodeId,
      onApiConnection: (socket) => {
        served++
        socket.destroy()
      },
    },
    log,
  )
  const at = { host, port, rejectUnauthorized: false }
  const alpn = ['http/1.1']
  await closed(connect({ ...at, ALPNProtocols: alpn }))
  await closed(connect({ ...clientTlsOptions(impostor, { alpn }), ...at }))
  await closed(connect({ ...clientTlsOptions(removed, { alpn }), ...at }))
  await closed(connect(at))
  await closed(connect({ ...at, ALPNProtocols: ['h2'] }))
  assert.equal(served, 0)
  const reasons = warnings.map((facts) => String(facts['reason']))
  assert.equal(reasons.length, 5)
  assert.match(reasons[0] ?? '', /no certificate/)
  assert.match(reasons[1] ?? '', /not issued/)
  assert.match(reasons[2] ?? '', /not a member/)
  assert.match(reasons[3] ?? '', /no protocol/)
  assert.equal(reasons[4], 'no handshake: no application protocol')
  assert.ok(warnings.every((facts) => facts['remoteAddress'] === '127.0.0.1'))
})
