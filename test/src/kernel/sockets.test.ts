import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAddress, writeAddress } from '../../../src/kernel/sockets.ts'

test('addresses survive the way into the kernel and back', () => {
  const memory = new Uint8Array(28)
  for (const [host, length] of [
    ['127.0.0.1', 16],
    ['255.254.0.9', 16],
    ['::', 28],
    ['::1', 28],
    ['2001:db8::8:0:1', 28],
    ['fe80:1:2:3:4:5:6:7', 28],
    ['::ffff:10.0.0.7', 28],
  ] as const) {
    assert.equal(writeAddress(memory, { host, port: 54_321 }), length)
    assert.deepEqual(readAddress(memory), { host, port: 54_321 })
  }
})
