import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '../../mesh/base/random.ts'
import type { Transaction } from '../../mesh/catalog/types.ts'
import type { Message } from '../../mesh/raft/types.ts'
import {
  decodeFeedMessage,
  encodeFeedMessage,
  type FeedMessage,
} from '../../mesh/wire/catalog-feed-message.ts'
import { encodeFrame, FrameSplitter, isRefused } from '../../mesh/wire/frames.ts'
import {
  cutRaftMessage,
  decodeRaftMessage,
  encodeRaftMessage,
  RaftAssembler,
  raftPartBytesMax,
} from '../../mesh/wire/raft-message.ts'
import {
  decodeProposeReply,
  decodeTransaction,
  encodeProposeReply,
  encodeTransaction,
  type ProposeReply,
} from '../../mesh/wire/transaction.ts'
import { mutateJson, pick } from '../support/fuzz-mutations.ts'
import {
  chunked,
  codec,
  describeFuzz,
  fuzz,
  fuzzInputs,
  fuzzSeed,
  type FuzzTarget,
} from '../support/fuzz.ts'

const blank: Message = {
  ...{ kind: 'append', to: 2, from: 1, term: 3, logTerm: 3, index: 9, commit: 8, vote: 0 },
  ...{ entries: [], snapshot: null, reject: false, rejectHint: 0, context: new Uint8Array() },
}
const confState = {
  ...{ voters: [1, 2], votersOutgoing: [1], learners: [3], learnersNext: [], autoLeave: true },
}
const raftMessages: Message[] = [
  blank,
  {
    ...blank,
    entries: [
      { term: 3, index: 10, kind: 'normal', data: Buffer.from('an entry') },
      { term: 3, index: 11, kind: 'conf-change-v2', data: Buffer.from([1, 2, 3]) },
    ],
  },
  { ...blank, kind: 'heartbeat', context: Buffer.alloc(20, 7) },
  { ...blank, kind: 'vote-response', reject: true, rejectHint: 5 },
  {
    ...blank,
    kind: 'snapshot',
    snapshot: { meta: { index: 9, term: 3, confState }, data: Buffer.from('state') },
  },
]

const object = { kind: 'service', id: 'a', claims: ['name/a'], body: { Spec: { Name: 'a' } } }
const ref = { kind: 'service', id: 'a' }
const transactions: Transaction[] = [
  {
    request: 'r1',
    atMs: 12.5,
    changes: [
      { kind: 'create', object },
      { kind: 'update', object: { ...object, body: null }, ifVersion: 3 },
      { kind: 'delete', ref, ifVersion: null },
    ],
  },
]
const replies: ProposeReply[] = [
  { kind: 'done', result: { kind: 'applied', index: 7 } },
  { kind: 'not-leader' },
  { kind: 'unknown' },
  {
    kind: 'done',
    result: {
      kind: 'refused',
      index: 8,
      refusal: { code: 'catalog/version-conflict', ref, expected: 1, actual: 2 },
    },
  },
  {
    kind: 'done',
    result: {
      kind: 'refused',
      index: 9,
      refusal: { code: 'catalog/claim-taken', claim: 'c', holder: ref },
    },
  },
]
const stored = { ...object, version: 4, createdAtMs: 1, updatedAtMs: 2 }
const feedMessages: FeedMessage[] = [
  { kind: 'part', index: 4, reset: true, upserts: [stored], removals: [ref], isLast: true },
  { kind: 'heartbeat', index: 5 },
]

/** Lengths that fit whatever was done to the header: only then is the rest of the decoder reached. */
function raftWithFittingPrefix(random: Random): Uint8Array {
  const bytes = Buffer.from(encodeRaftMessage(pick(raftMessages, random)))
  const headerEnd = 5 + bytes.readUInt32BE(1)
  const header = mutateJson(bytes.subarray(5, headerEnd), random)
  const prefix = Buffer.from(bytes.subarray(0, 5))
  prefix.writeUInt32BE(header.length, 1)
  return Buffer.concat([prefix, header, bytes.subarray(headerEnd)])
}

const frameLimitBytes = 1000

/** Whatever the chunks, the same frames come out, and no more is held than was sent. */
const frames: FuzzTarget = {
  name: 'frames',
  corpus: [
    encodeFrame(Buffer.from('one')),
    Buffer.concat([encodeFrame(Buffer.from('one')), encodeFrame(Buffer.alloc(0))]),
    Buffer.concat([0, 1, 999, 1000].map((length) => encodeFrame(Buffer.alloc(length, 7)))),
  ],
  decode: (bytes, random) => {
    const whole = new FrameSplitter(frameLimitBytes).push(bytes)
    const splitter = new FrameSplitter(frameLimitBytes)
    const payloads: Uint8Array[] = []
    for (const chunk of chunked(bytes, random)) {
      const found = splitter.push(chunk)
      assert.ok(splitter.heldBytes <= Math.min(bytes.length, frameLimitBytes + 4))
      if ('refused' in found) {
        assert.ok('refused' in whole)
        return false
      }
      payloads.push(...found)
    }
    assert.ok(!('refused' in whole))
    assert.deepEqual(payloads, whole)
    return true
  },
}

const partCorpus = [
  ...cutRaftMessage(Buffer.alloc(10, 1), 1),
  ...cutRaftMessage(Buffer.alloc(raftPartBytesMax + 10, 2), 2).map((part) => part.subarray(0, 600)),
]

/** Parts from a peer in any order and shape: one message at most is held. */
const parts: FuzzTarget = {
  name: 'parts of raft messages',
  corpus: partCorpus,
  decode: (bytes, random) => {
    const assembler = new RaftAssembler()
    for (let turn = 0; turn < 4; turn++) {
      const isOurs = random.below(2) === 0
      const whole = assembler.push(isOurs ? bytes : pick(partCorpus, random))
      if (whole === null) continue
      assert.ok(whole.length <= 4 * (bytes.length + 600))
      const message = decodeRaftMessage(whole)
      assert.ok(isRefused(message) || message.to >= 0)
    }
    return true
  },
}

const targets: readonly FuzzTarget[] = [
  frames,
  parts,
  {
    ...codec('raft', raftMessages, { encode: encodeRaftMessage, decode: decodeRaftMessage }),
    make: raftWithFittingPrefix,
  },
  codec('transaction', transactions, { encode: encodeTransaction, decode: decodeTransaction }),
  codec('propose reply', replies, { encode: encodeProposeReply, decode: decodeProposeReply }),
  codec('catalog feed', feedMessages, { encode: encodeFeedMessage, decode: decodeFeedMessage }),
]

for (const target of targets) {
  test(`no bytes of a peer harm the decoder: ${target.name}`, (t) => {
    t.diagnostic(describeFuzz(fuzz(target, fuzzInputs, fuzzSeed)))
  })
}
