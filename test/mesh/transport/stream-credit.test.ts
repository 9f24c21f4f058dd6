import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveCreditInBulk } from '../../../mesh/transport/stream-credit.ts'

/** As the muxer keeps its streams: what came is given back whenever it is asked to. */
class CreditedStream {
  readonly recvWindow = 1000
  recvWindowCapacity = 1000
  given: number[] = []

  receive(bytes: number): void {
    assert.ok(bytes <= this.recvWindowCapacity, 'a peer has no more than its credit')
    this.recvWindowCapacity -= bytes
    this.sendWindowUpdate()
  }

  sendWindowUpdate(): void {
    this.given.push(this.recvWindow - this.recvWindowCapacity)
    this.recvWindowCapacity = this.recvWindow
  }
}

test('short frames are not each answered with credit, and a peer never runs out of it', () => {
  const stream = new CreditedStream()
  giveCreditInBulk(stream)
  for (let frame = 0; frame < 100; frame++) stream.receive(60)
  assert.equal(stream.given.length, 11)
  stream.receive(stream.recvWindowCapacity)
  assert.equal(stream.recvWindowCapacity, 1000, 'all of it was used, and is there again')
})

test('a stream of another muxer is left as it is', () => {
  const stream = { sendWindowUpdate: () => {} }
  const before = stream.sendWindowUpdate
  giveCreditInBulk(stream)
  assert.equal(stream.sendWindowUpdate, before)
})
