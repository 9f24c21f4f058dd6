import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parsePreface } from '../../../src/containers/proxy-preface.ts'

const v2 = (command: string, family: string, payload: Buffer): Buffer => {
  const head = Buffer.from(`0d0a0d0a000d0a515549540a${command}${family}0000`, 'hex')
  head.writeUInt16BE(payload.length, 14)
  return Buffer.concat([head, payload])
}

const kinds: readonly [string | Buffer, string][] = [
  ['', 'incomplete'],
  ['P', 'incomplete'],
  ['PROXY TCP4 1.2.3.4', 'incomplete'],
  ['\r\n\r\n', 'incomplete'],
  ['GET / HTTP/1.1\r\n', 'absent'],
  ['PROPFIND / HTTP/1.1\r\n', 'absent'],
  ['PUT', 'absent'],
  ['PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'present'],
  ['PROXY TCP6 2001:db8::1 ::1 1 65535\r\n', 'present'],
  ['PROXY UNKNOWN whatever\r\n', 'present'],
  ['PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n', 'malformed'],
  ['PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n', 'malformed'],
  ['PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n', 'malformed'],
  ['PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n', 'malformed'],
  ['PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n', 'malformed'],
  [`PROXY ${'x'.repeat(120)}`, 'malformed'],
  [v2('31', '11', Buffer.alloc(12)), 'malformed'],
  [v2('21', '11', Buffer.alloc(11)), 'malformed'],
  [v2('21', '12', Buffer.alloc(12)), 'malformed'],
  [v2('21', '11', Buffer.alloc(1020)), 'malformed'],
  [v2('21', '11', Buffer.alloc(12)).subarray(0, 20), 'incomplete'],
  [v2('20', '11', Buffer.alloc(0)), 'present'],
]

test('every beginning is what it is', () => {
  for (const [bytes, kind] of kinds) {
    const shown = JSON.stringify(bytes.toString('latin1'))
    assert.equal(parsePreface(Buffer.from(bytes)).kind, kind, shown)
  }
})

test('extensions of version 2 are skipped, addresses of IPv6 are written short', () => {
  const payload = Buffer.alloc(36 + 7)
  payload.set(Buffer.from('20010db8000000000000000000000001', 'hex'))
  payload.writeUInt16BE(4711, 32)
  const preface = parsePreface(Buffer.concat([v2('21', '21', payload), Buffer.from('GET /')]))
  assert.deepEqual(preface, { kind: 'present', length: 16 + 43, source: '[2001:db8::1]:4711' })
})

test('whatever the bytes, it answers and never reads past them', () => {
  const start = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n!\x11')
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 64 }), (head, tail) => {
      const bytes = Buffer.concat([Buffer.from(head, 'latin1'), tail])
      const preface = parsePreface(bytes)
      if (preface.kind === 'present') assert.ok(preface.length <= bytes.length)
    }),
  )
})
