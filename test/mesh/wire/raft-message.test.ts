import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Message } from '../../../mesh/raft/types.ts'
import { isRefused } from '../../../mesh/wire/frames.ts'
import {
  cutRaftMessage,
  decodeRaftMessage,
  encodeRaftMessage,
  RaftAssembler,
  raftPartBytesMax,
} from '../../../mesh/wire/raft-message.ts'

const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const bytes = fc.uint8Array({ maxLength: 40 })
const ids = fc.array(whole, { maxLength: 4 })
const entry = fc.record({
  term: whole,
  index: whole,
  kind: fc.constantFrom('normal' as const, 'conf-change' as const, 'conf-change-v2' as const),
  data: bytes,
})
const snapshot = fc.record({
  meta: fc.record({
    index: whole,
    term: whole,
    confState: fc.record({
      voters: ids,
      votersOutgoing: ids,
      learners: ids,
      learnersNext: ids,
      autoLeave: fc.boolean(),
    }),
  }),
  data: bytes,
})
const message: fc.Arbitrary<Message> = fc.record({
  kind: fc.constantFrom('append' as const, 'vote' as const, 'snapshot' as const),
  to: whole,
  from: whole,
  term: whole,
  logTerm: whole,
  index: whole,
  entries: fc.array(entry, { maxLength: 5 }),
  commit: whole,
  vote: whole,
  snapshot: fc.option(snapshot),
  reject: fc.boolean(),
  rejectHint: whole,
  context: bytes,
})

/** Buffers and arrays of bytes alike. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => {
      const isBuffer = typeof inner === 'object' && inner !== null && 'data' in inner
      if (isBuffer && 'type' in inner && inner.type === 'Buffer') return inner.data
      return inner instanceof Uint8Array ? [...inner] : inner
    }),
  )

test('a message comes out as it went in', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const received = decodeRaftMessage(encodeRaftMessage(sent))
      assert.ok(!isRefused(received))
      assert.deepEqual(plain(received), plain(sent))
    }),
  )
})

test('no bytes of a peer make the decoder throw', () => {
  fc.assert(
    fc.property(
      message,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))),
      fc.nat(),
      (sent, changes, cut) => {
        const frame = Uint8Array.from(encodeRaftMessage(sent))
        for (const [at, byte] of changes) frame[at % frame.length] = byte
        decodeRaftMessage(frame.subarray(0, cut % (frame.length + 1)))
      },
    ),
  )
})

test('a message that is cut short or has something behind it is refused', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const frame = encodeRaftMessage(sent)
      assert.ok(isRefused(decodeRaftMessage(frame.subarray(0, frame.length - 1))))
      assert.ok(isRefused(decodeRaftMessage(Buffer.concat([frame, new Uint8Array(1)]))))
    }),
  )
})

test('a kind that a node only says to itself does not cross the wire', () => {
  for (const kind of ['hup', 'beat', 'propose', 'snapshot-status'] as const) {
    const [sample] = fc.sample(message, 1)
    assert.ok(sample)
    assert.ok(isRefused(decodeRaftMessage(encodeRaftMessage({ ...sample, kind }))))
  }
})

test('parts in order make the message; with one missing they make nothing', () => {
  const long = new Uint8Array(raftPartBytesMax * 2 + 5).map((_, at) => at % 251)
  const parts = cutRaftMessage(long, 7)
  assert.equal(parts.length, 3)
  const assembler = new RaftAssembler()
  const received = parts.map((part) => assembler.push(part))
  assert.deepEqual(received.slice(0, 2), [null, null])
  assert.ok(Buffer.from(long).equals(received[2] ?? new Uint8Array()))
  const [first, , last] = parts
  assert.ok(first && last)
  assert.deepEqual(
    [first, last].map((part) => assembler.push(part)),
    [null, null],
  )
})

test('short messages pass between the parts of a long one', () => {
  const long = new Uint8Array(raftPartBytesMax + 1)
  const [one, two] = cutRaftMessage(long, 1)
  const [short] = cutRaftMessage(Uint8Array.of(1, 2, 3), 2)
  assert.ok(one && two && short)
  const assembler = new RaftAssembler()
  assert.equal(assembler.push(one), null)
  assert.deepEqual([...(assembler.push(short) ?? [])], [1, 2, 3])
  assert.equal(assembler.push(two)?.length, long.length)
})
