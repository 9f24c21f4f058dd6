import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import {
  decodeProxyHeader,
  encodeProxyHeader,
  type ProxyHeader,
} from '../../../src/wire/proxy-protocol.ts'

const v4: ProxyHeader = {
  source: { host: '192.0.2.7', port: 51234 },
  destination: { host: '198.51.100.1', port: 80 },
}
const v6: ProxyHeader = {
  source: { host: '2001:db8::7', port: 51234 },
  destination: { host: '::1', port: 443 },
}

test('version 1 is the line that the specification shows', () => {
  const line = Buffer.from(encodeProxyHeader('v1', v4)).toString()
  assert.equal(line, 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 80\r\n')
})

test('version 2 is signature, command, family, length, addresses and ports', () => {
  const bytes = Buffer.from(encodeProxyHeader('v2', v4))
  const expected = '0d0a0d0a000d0a515549540a.2111000c.c0000207c6336401.c8220050'
  assert.equal(bytes.toString('hex'), expected.replaceAll('.', ''))
})

for (const version of ['v1', 'v2'] as const) {
  for (const header of [v4, v6]) {
    test(`${version} brings ${header.source.host} back, and says where the payload starts`, () => {
      const bytes = encodeProxyHeader(version, header)
      const followed = Buffer.concat([bytes, Buffer.from('GET /')])
      assert.deepEqual(decodeProxyHeader(followed), {
        kind: 'header',
        header,
        length: bytes.length,
      })
    })

    test(`${version} of ${header.source.host} waits for the rest, wherever it is cut`, () => {
      const bytes = encodeProxyHeader(version, header)
      for (let cut = 0; cut < bytes.length; cut++) {
        assert.deepEqual(decodeProxyHeader(bytes.subarray(0, cut)), { kind: 'more' })
      }
    })
  }

  test(`${version} of two families says nothing rather than something wrong`, () => {
    const mixed = { source: v4.source, destination: v6.destination }
    const decoded = decodeProxyHeader(encodeProxyHeader(version, mixed))
    assert.equal(decoded.kind === 'header' && decoded.header, null)
  })
}

for (const line of [
  'GET / HTTP/1.1\r\n',
  'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n',
  'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n',
  'PROXY TCP4 ::1 ::1 1 2\r\n',
  'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n',
  'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n',
  'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n',
  `PROXY TCP4 ${'1'.repeat(120)}`,
]) {
  test(`refuses ${JSON.stringify(line.slice(0, 40))}`, () => {
    assert.throws(() => decodeProxyHeader(Buffer.from(line)), isMalformed)
  })
}

test('refuses a version 2 header with another version, or too long, or cut addresses', () => {
  const good = Buffer.from(encodeProxyHeader('v2', v4))
  for (const [at, value] of [
    [12, 0x31],
    [12, 0x22],
    [14, 0xff],
    [15, 4],
  ] as const) {
    const bad = Buffer.from(good)
    bad[at] = value
    assert.throws(() => decodeProxyHeader(bad), isMalformed, `byte ${at}`)
  }
})

test('no bytes make it fail in another way', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, isLine) => {
      const start = isLine ? Buffer.from('PROXY ') : Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
      try {
        decodeProxyHeader(Buffer.concat([start, noise]))
      } catch (error) {
        assert.ok(isMalformed(error))
      }
    }),
  )
})

const isMalformed = (error: unknown): boolean => isFault(error, 'proxy-protocol/malformed')
