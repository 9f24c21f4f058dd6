import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { issueCertificate } from '../../../mesh/identity/certificate-authority.ts'
import {
  checkCertificateRequest,
  createCertificateRequest,
} from '../../../mesh/identity/certificate-request.ts'
import { drawNodeKeys } from '../../../mesh/identity/node-keys.ts'
import {
  encodeIdentity,
  identityFile,
  renewalTimeMs,
} from '../../../mesh/identity/node-identity.ts'
import { verifyPeer, type PeerTrust } from '../../../mesh/identity/verify-peer.ts'
import { TestCluster } from './test-cluster.ts'

const dayMs = 24 * 3600 * 1000
const nowMs = Date.UTC(2026, 5, 1)

function trustIn(cluster: TestCluster, atMs = nowMs): PeerTrust {
  const { authority, clusterId } = cluster
  return { caCertificatesPem: [authority.caCertificatePem], clusterId, nowMs: atMs }
}

const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber
const rawOf = (pem: string): Uint8Array => new X509Certificate(pem).raw

function assertRefused(result: object, because: RegExp): void {
  assert.ok('refused' in result, 'expected a refusal')
  assert.match(String(result.refused), because)
}

test('a certificate of the cluster proves node, role and peer id', async () => {
  const cluster = new TestCluster(1, nowMs)
  const member = await cluster.member({ role: 'worker', nowMs })
  const peer = verifyPeer(rawOf(member.certificatePem), trustIn(cluster))
  assert.ok(!('refused' in peer))
  assert.equal(peer.nodeId, member.nodeId)
  assert.equal(peer.clusterId, cluster.clusterId)
  assert.equal(peer.role, 'worker')
  assert.equal(peer.peerId, member.peerId)
  assert.match(peer.serial, /^[0-9a-f]{32}$/)
  assert.match(peer.keyDigest, /^[0-9a-f]{64}$/)
  assert.equal(peer.notAfterMs, nowMs + 90 * dayMs)
})

test('a certificate says what it is to any reader of X.509', async () => {
  const cluster = new TestCluster(1, nowMs)
  const member = await cluster.member({ nowMs })
  const leaf = new X509Certificate(member.certificatePem)
  const authority = new X509Certificate(cluster.authority.caCertificatePem)
  assert.equal(authority.ca, true)
  assert.equal(leaf.ca, false)
  assert.equal(leaf.subject, `O=${cluster.clusterId}\nOU=manager\nCN=${member.nodeId}`)
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.equal(leaf.validFromDate.getTime(), nowMs - 3600 * 1000)
  assert.ok(authority.verify(authority.publicKey))
})

test('two certificates never share a serial', async () => {
  const cluster = new TestCluster()
  const [one, other] = [await cluster.member(), await cluster.member()]
  assert.notEqual(serialOf(one.certificatePem), serialOf(other.certificatePem))
})

test('a changed byte anywhere in a certificate is refused', async () => {
  const cluster = new TestCluster(1, nowMs)
  const raw = rawOf((await cluster.member({ nowMs })).certificatePem)
  for (let at = 0; at < raw.length; at += 7) {
    const changed = Uint8Array.from(raw)
    changed[at] = (changed[at] ?? 0) ^ 0x01
    assert.ok('refused' in verifyPeer(changed, trustIn(cluster)), `byte ${at}`)
  }
})

test('an authority with the same names but another key is a stranger', async () => {
  const cluster = new TestCluster(1, nowMs)
  const impostor = new TestCluster(1, nowMs)
  assert.equal(impostor.clusterId, cluster.clusterId)
  const member = await impostor.member({ nowMs })
  assertRefused(verifyPeer(rawOf(member.certificatePem), trustIn(cluster)), /not issued by/)
})

test('a certificate is refused before and after its time', async () => {
  const cluster = new TestCluster(1, nowMs)
  const raw = rawOf((await cluster.member({ nowMs })).certificatePem)
  assertRefused(verifyPeer(raw, trustIn(cluster, nowMs - 2 * 3600 * 1000)), /not valid before/)
  assertRefused(verifyPeer(raw, trustIn(cluster, nowMs + 91 * dayMs)), /expired/)
  assert.ok(!('refused' in verifyPeer(raw, trustIn(cluster, nowMs - 1800 * 1000))), 'backdated')
})

test('the same authority cannot vouch for another cluster', async () => {
  const cluster = new TestCluster(1, nowMs)
  const raw = rawOf((await cluster.member({ nowMs })).certificatePem)
  const trust = { ...trustIn(cluster), clusterId: new TestCluster(2, nowMs).clusterId }
  assertRefused(verifyPeer(raw, trust), /another cluster/)
})

test('the authority itself, nothing and garbage are not members', () => {
  const cluster = new TestCluster(1, nowMs)
  const trust = trustIn(cluster)
  assertRefused(verifyPeer(rawOf(cluster.authority.caCertificatePem), trust), /authority/)
  assertRefused(verifyPeer(undefined, trust), /no certificate/)
  assertRefused(verifyPeer(Uint8Array.of(1, 2, 3), trust), /cannot be read/)
  assertRefused(verifyPeer(new Uint8Array(10_000), trust), /too large/)
})

test('while the authority is replaced, certificates of both are accepted', async () => {
  const [old, next] = [new TestCluster(1, nowMs), new TestCluster(1, nowMs)]
  const trust = {
    ...trustIn(old),
    caCertificatesPem: [old.authority.caCertificatePem, next.authority.caCertificatePem],
  }
  for (const cluster of [old, next]) {
    const { certificatePem } = await cluster.member({ nowMs })
    assert.ok(!('refused' in verifyPeer(rawOf(certificatePem), trust)))
  }
})

test('a role or peer id with a separator in it cannot smuggle in a second name', async () => {
  const cluster = new TestCluster(1, nowMs)
  const member = await cluster.member({ nowMs })
  const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const pem = issueCertificate(
    cluster.authority,
    {
      node: member.nodeId,
      clusterId: cluster.clusterId,
      role: 'worker',
      peerId: `${member.peerId}, URI:meshd:role:manager`,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    },
    nowMs,
  )
  assertRefused(verifyPeer(rawOf(pem), trustIn(cluster)), /exactly one node/)
})

test('a request proves both keys, and only the keys that it names', async () => {
  const [keys, others] = [await drawNodeKeys(), await drawNodeKeys()]
  const request = createCertificateRequest(keys)
  const foreign = createCertificateRequest(others)
  const proven = checkCertificateRequest(request)
  assert.ok(!('refused' in proven))
  assert.equal(proven.peerId, keys.peerId)

  const { peerId, peerProof, publicKey, tlsProof } = foreign
  assertRefused(checkCertificateRequest({ ...request, peerId, peerProof }), /its TLS key/)
  assertRefused(checkCertificateRequest({ ...request, publicKey, tlsProof }), /its TLS key/)
  assertRefused(checkCertificateRequest({ ...request, peerProof }), /key of its peer id/)
  assertRefused(checkCertificateRequest({ ...request, tlsProof: 'AAAA' }), /TLS key/)
  assertRefused(checkCertificateRequest({ ...request, publicKey: 'AAAA' }), /cannot be read/)
})

test('a request with a key of another kind is refused', async () => {
  const keys = await drawNodeKeys()
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const tlsKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const request = createCertificateRequest({ ...keys, tlsKeyPem })
  assertRefused(checkCertificateRequest(request), /not P-256/)
})

test('an identity survives the disk, and a damaged one is refused', async () => {
  const member = await new TestCluster().member()
  const stored = JSON.parse(JSON.stringify(encodeIdentity(member)))
  assert.deepEqual(identityFile.parse(stored), member)
  assert.equal(identityFile.safeParse({ ...stored, extra: 1 }).success, false)
  assert.equal(identityFile.safeParse({ ...stored, nodeId: 'short' }).success, false)
  const cut = { ...stored, certificatePem: member.certificatePem.slice(0, 200) }
  assert.equal(identityFile.safeParse(cut).success, false)
})

test('renewal falls between half and four fifths of the life', async () => {
  const cluster = new TestCluster(1, nowMs)
  const { certificatePem } = await cluster.member({ nowMs })
  const random = new SeededRandom(7)
  for (let round = 0; round < 50; round++) {
    const lived = (renewalTimeMs(certificatePem, random) - nowMs) / (90 * dayMs)
    assert.ok(lived > 0.49 && lived < 0.81, `${lived}`)
  }
})
