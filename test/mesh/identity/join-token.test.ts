import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  caDigest,
  drawJoinSecret,
  formatJoinToken,
  isSameSecret,
  parseJoinToken,
} from '../../../mesh/identity/join-token.ts'
import { TestCluster } from './test-cluster.ts'

test('a token comes back as it was made', () => {
  const digest = caDigest(new TestCluster().authority.caCertificatePem)
  const secret = drawJoinSecret()
  const text = formatJoinToken({ caDigest: digest, secret })
  assert.match(text, /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/)
  assert.deepEqual(parseJoinToken(` ${text}\n`), { caDigest: digest, secret })
})

test('a malformed token says which part is wrong', () => {
  const digest = 'd'.repeat(50)
  const secret = 's'.repeat(25)
  const refusals: [string, RegExp][] = [
    ['', /starts with/],
    [`TOKEN-1-${digest}-${secret}`, /starts with/],
    [`SWMTKN-2-${digest}-${secret}`, /version 2/],
    [`SWMTKN-1-${digest}`, /four parts/],
    [`SWMTKN-1-${digest}-${secret}-x`, /four parts/],
    [`SWMTKN-1-${digest.slice(1)}-${secret}`, /third part/],
    [`SWMTKN-1-${digest}-${secret.slice(1)}`, /fourth part/],
    [`SWMTKN-1-${digest}-${secret.slice(1)}S`, /fourth part/],
  ]
  for (const [text, because] of refusals) {
    const parsed = parseJoinToken(text)
    assert.ok('refused' in parsed, text)
    assert.match(parsed.refused, because)
  }
})

test('different authorities have different digests, and secrets differ', () => {
  const [one, other] = [new TestCluster(), new TestCluster()]
  assert.notEqual(
    caDigest(one.authority.caCertificatePem),
    caDigest(other.authority.caCertificatePem),
  )
  assert.notEqual(drawJoinSecret(), drawJoinSecret())
})

test('secrets are compared whole, whatever their length', () => {
  assert.equal(isSameSecret('abc', 'abc'), true)
  assert.equal(isSameSecret('abc', 'abd'), false)
  assert.equal(isSameSecret('abc', 'abcd'), false)
})
