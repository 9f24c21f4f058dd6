import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificateRequest } from '../../../mesh/identity/certificate-request.ts'
import { caDigest, formatJoinToken } from '../../../mesh/identity/join-token.ts'
import { drawNodeKeys } from '../../../mesh/identity/node-keys.ts'
import { standOnDoorstep } from '../../../mesh/transport/doorstep.ts'
import { requestJoin, type JoinOptions } from '../../../mesh/transport/join-client.ts'
import type { Node } from '../../../src/model/docker.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { nodeView } from '../../../src/model/node-view.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { RealNodes } from './real-nodes.ts'

const word = '0123456789abcdef'.repeat(2)
const founder = '127.0.50.1'

type Request = JoinOptions['request']

async function requestOf(host: string): Promise<Request> {
  return {
    certificateRequest: createCertificateRequest(await drawNodeKeys()),
    name: 'n2',
    gossipAddress: `${host}:7946`,
    controlAddress: `${host}:2377`,
    dataPathAddress: `${host}:4789`,
    word,
    availability: 'active',
    description: {},
  }
}

async function worker(cluster: RealNodes) {
  const authority = meshPolicy.authority(cluster.get(1).view)
  assert.ok(authority !== null)
  const digest = caDigest(authority.caCertificatePem)
  const token = formatJoinToken({ caDigest: digest, secret: authority.joinSecrets.worker })
  const to = { token, host: founder, port: 2377, timeoutMs: 10_000, clock: systemClock }
  return (request: unknown) => requestJoin({ ...to, request: request as Request })
}

const refusedFor = (reason: RegExp) => (error: unknown) => {
  assert.match(JSON.stringify((error as { fault?: unknown }).fault ?? String(error)), reason)
  return true
}

test('a joiner that lies about its address, its name or its role is refused or corrected', async () => {
  await using cluster = new RealNodes('127.0.50')
  await cluster.found()
  const join = await worker(cluster)
  const honest = await requestOf('127.0.50.2')

  await assert.rejects(join(honest), refusedFor(/cannot reach 127\.0\.50\.2:2377\/tcp/))
  const elsewhere = await requestOf(founder)
  await assert.rejects(join(elsewhere), refusedFor(/cannot reach 127\.0\.50\.1:2377\/tcp/))
  const { word: _, ...wordless } = honest
  await assert.rejects(join(wordless), refusedFor(/ended before a whole message/))
  await assert.rejects(join({ ...honest, name: 'n2\u001b[2J' }), refusedFor(/ended before/))

  const others = createCertificateRequest(await drawNodeKeys())
  const { publicKey } = honest.certificateRequest
  const mixed = { ...others, publicKey }
  await assert.rejects(join({ ...honest, certificateRequest: mixed }), refusedFor(/proof|key/))
  const huge = { ...others, publicKey: 'A'.repeat(404) }
  await assert.rejects(join({ ...honest, certificateRequest: huge }), refusedFor(/ended before/))

  const ports = { host: '127.0.50.2', tcpPorts: [2377, 7946, 4789], udpPort: 7946 }
  await using scope = new AsyncDisposableStack()
  scope.use(await standOnDoorstep({ ...ports, word }))
  const description = { Hostname: 'n1', Spec: { Role: 'manager' }, Platform: 'linux', Engine: 7 }
  const { accepted } = await join({ ...honest, role: 'manager', description })
  assert.equal(accepted.role, 'worker')
  const stored = cluster.get(1).view.get('node', accepted.nodeId)
  assert.ok(stored !== undefined)
  const { Spec, Description } = stored.body as unknown as Node
  assert.equal(Spec.Role, 'worker')
  assert.equal(Description.Hostname, 'n2')
  assert.deepEqual(nodeView(stored).platform, { os: '', architecture: '' })
})
