import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '../../../mesh/storage/crc32c.ts'

test('it gives the check values of RFC 3720', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
})

test('parts in a chain give the checksum of the whole', () => {
  assert.equal(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), 0xe3069283)
})
