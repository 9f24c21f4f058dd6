import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { crossSign, issueCertificate } from '../../../mesh/identity/certificate-authority.ts'
import {
  checkCertificateRequest,
  createCertificateRequest,
} from '../../../mesh/identity/certificate-request.ts'
import { readNextAuthority, type NextAuthority } from '../../../mesh/identity/next-authority.ts'
import { isIssuedBy, verifyPeer } from '../../../mesh/identity/verify-peer.ts'
import { TestCluster } from './test-cluster.ts'

const dir = mkdtempSync(join(tmpdir(), 'meshd-openssl-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const openssl = (line: string): void => {
  execFileSync('openssl', line.split(' '), { cwd: dir, stdio: 'ignore' })
}
const file = (name: string): string => readFileSync(join(dir, name), 'utf8')
const ec = '-newkey ec -pkeyopt ec_paramgen_curve:P-384'

function makeRoot(name: string, more = '', key = ec): void {
  openssl(
    `req -x509 ${key} -nodes -keyout ${name}.key -out ${name}.pem -subj /CN=${name} -days 900${more}`,
  )
}

/** Under a root that was made before. */
function makeUnder(name: string, root: string, extensions: string): void {
  openssl(`req ${ec} -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`)
  writeFileSync(join(dir, `${name}.ext`), extensions)
  const issuer = `-CA ${root}.pem -CAkey ${root}.key -CAcreateserial`
  openssl(
    `x509 -req -in ${name}.csr ${issuer} -extfile ${name}.ext -out ${name}.pem -days 900 -sha256`,
  )
}

const authority = 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n'
const identified = 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'

makeRoot('root')
makeRoot('rsa', '', '-newkey rsa:2048')
makeRoot('narrow', ' -addext basicConstraints=critical,CA:TRUE,pathlen:0')
makeRoot('small', '', '-newkey rsa:1024')
makeRoot('edwards', '', '-newkey ed25519')
makeRoot('old', ' -sha1', '-newkey rsa:2048')
makeRoot('mute', ' -addext keyUsage=critical,digitalSignature')
makeUnder('between', 'root', authority + identified)
makeUnder('cramped', 'narrow', authority + identified)
makeUnder('leaf', 'root', 'basicConstraints=critical,CA:FALSE\n')

const read = (certificates: string, key: string, nowMs = Date.now()) =>
  readNextAuthority({ certificatesPem: certificates, keyPem: key }, nowMs)

function accepted(certificates: string, key: string): NextAuthority {
  const result = read(certificates, key)
  assert.ok('signer' in result, 'refused' in result ? result.refused : '')
  return result
}

const kinds = [
  ['an EC root', ['root.pem'], 'root.key'],
  ['an RSA root', ['rsa.pem'], 'rsa.key'],
  ['a root that allows none under it', ['narrow.pem'], 'narrow.key'],
  ['an intermediate with its root', ['between.pem', 'root.pem'], 'between.key'],
] as const

for (const [name, certificates, key] of kinds) {
  test(`${name}, made with openssl, issues certificates that nodes and openssl accept`, async () => {
    const cluster = new TestCluster()
    const member = await cluster.member()
    const { signer, rootPem } = accepted(certificates.map(file).join(''), file(key))
    const keys = checkCertificateRequest(createCertificateRequest(member))
    assert.ok('publicKey' in keys)
    const { nodeId: node, clusterId, role } = member
    const nowMs = Date.now()
    const pem = issueCertificate(signer, { node, clusterId, role, ...keys }, nowMs)
    const leaf = new X509Certificate(pem)
    const between = new X509Certificate(signer.caCertificatePem)
    const shown = rootPem === signer.caCertificatePem ? [] : [between]
    const trust = { caCertificatesPem: [rootPem], clusterId, nowMs }
    const peer = verifyPeer(leaf.raw, trust, shown)
    assert.ok(!('refused' in peer), 'refused' in peer ? peer.refused : '')

    writeFileSync(join(dir, 'node.pem'), pem)
    writeFileSync(join(dir, 'trusted.pem'), rootPem)
    writeFileSync(join(dir, 'shown.pem'), signer.caCertificatePem)
    openssl('verify -CAfile trusted.pem -untrusted shown.pem node.pem')

    // Who knows only the authority of before is led to it by its word for the next one.
    const former = { ...trust, caCertificatesPem: [cluster.authority.caCertificatePem] }
    assert.ok('refused' in verifyPeer(leaf.raw, former, shown))
    const cross = new X509Certificate(crossSign(cluster.authority, signer.caCertificatePem, nowMs))
    assert.ok(isIssuedBy(leaf, cross))
    assert.ok(!('refused' in verifyPeer(leaf.raw, former, [cross])))
    const stranger = {
      ...trust,
      caCertificatesPem: [new TestCluster(2).authority.caCertificatePem],
    }
    assert.ok('refused' in verifyPeer(leaf.raw, stranger, [cross]))
  })
}

test('what cannot be the next authority is refused with the reason, and never with the key', () => {
  const both = file('between.pem') + file('root.pem')
  const refusals: readonly (readonly [string, string, RegExp, number?])[] = [
    ['', file('root.key'), /no certificate/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', file('root.key'), /be read/],
    [file('root.pem'), '', /key cannot be read/],
    [file('root.pem'), file('rsa.key'), /not that of the first/],
    [both, file('root.key'), /not that of the first/],
    [both + file('rsa.pem'), file('between.key'), /3 certificates/],
    [file('between.pem'), file('between.key'), /not a root/],
    [file('between.pem') + file('rsa.pem'), file('between.key'), /not issued by/],
    [file('cramped.pem') + file('narrow.pem'), file('cramped.key'), /path length is 0/],
    [file('leaf.pem') + file('root.pem'), file('leaf.key'), /not a certificate authority/],
    [file('mute.pem'), file('mute.key'), /keyCertSign/],
    [file('small.pem'), file('small.key'), /RSA \(from 2048 bits\)/],
    [file('edwards.pem'), file('edwards.key'), /ED25519/i],
    [file('old.pem'), file('old.key'), /signed with .*sha1/i],
    [file('root.pem'), file('root.key'), /not valid before/, Date.now() - 10 * 24 * 3600 * 1000],
    [file('root.pem'), file('root.key'), /a day/, Date.now() + 900 * 24 * 3600 * 1000],
    ['x'.repeat(70_000), file('root.key'), /too long/],
  ]
  for (const [certificates, key, reason, nowMs] of refusals) {
    const result = read(certificates, key, nowMs)
    assert.ok('refused' in result, String(reason))
    assert.match(result.refused, reason)
    const secret = key.split('\n')[1] ?? ''
    assert.ok(secret === '' || !result.refused.includes(secret))
  }
})

test('a way to an authority leads only through authorities that are valid now', async () => {
  const [former, next] = [new TestCluster(1), new TestCluster(2)]
  const member = await next.member()
  const leaf = new X509Certificate(member.certificatePem)
  const nowMs = Date.now()
  const trust = {
    caCertificatesPem: [former.authority.caCertificatePem],
    clusterId: next.clusterId,
    nowMs,
  }
  const cross = (atMs: number): X509Certificate =>
    new X509Certificate(crossSign(former.authority, next.authority.caCertificatePem, atMs))
  assert.ok(!('refused' in verifyPeer(leaf.raw, trust, [cross(nowMs)])))
  assert.ok('refused' in verifyPeer(leaf.raw, trust, [cross(nowMs + 9e6)]), 'not valid yet')
  assert.ok('refused' in verifyPeer(leaf.raw, trust, [leaf]), 'a node vouches for nobody')
  const crowd = Array.from(
    { length: 8 },
    () => new X509Certificate(former.authority.caCertificatePem),
  )
  assert.ok('refused' in verifyPeer(leaf.raw, trust, [...crowd, cross(nowMs)]), 'too many')
})
