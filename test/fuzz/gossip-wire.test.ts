import { test } from 'node:test'
import { nodeId } from '../../mesh/base/ids.ts'
import type { Section } from '../../mesh/discovery/section.ts'
import type { MessageBody, SwimMessage } from '../../mesh/membership/message.ts'
import {
  decodeDifferences,
  decodePublishedRecords,
  decodeSummary,
  decodeSyncAnswer,
  decodeSyncQuestion,
  encodeDifferences,
  encodePublishedRecords,
  encodeSummary,
  encodeSyncAnswer,
  encodeSyncQuestion,
} from '../../mesh/wire/discovery-message.ts'
import { decodeJson, encodeJson } from '../../mesh/wire/frames.ts'
import {
  joinReply,
  joinRequest,
  type JoinReply,
  type JoinRequest,
} from '../../mesh/wire/join-message.ts'
import {
  decodeMemberSyncAnswer,
  decodeMemberSyncQuestion,
  encodeMemberSyncAnswer,
  encodeMemberSyncQuestion,
  type MemberSyncAnswer,
  type MemberSyncQuestion,
} from '../../mesh/wire/member-sync-message.ts'
import { decodeSwimMessage, encodeSwimMessage } from '../../mesh/wire/swim-message.ts'
import {
  codec,
  describeFuzz,
  fuzz,
  fuzzInputs,
  fuzzSeed,
  type FuzzTarget,
} from '../support/fuzz.ts'

const n1 = nodeId('1'.repeat(25))
const n2 = nodeId('2'.repeat(25))

const meta = {
  name: 'n1',
  gossipAddress: '10.0.0.1:7946',
  controlAddress: '10.0.0.1:2377',
  dataPathAddress: '[2001:db8::1]:4789',
}
const bodies: MessageBody[] = [
  { kind: 'ping', seq: 7, target: n2 },
  { kind: 'ack', seq: 7, subject: n1 },
  { kind: 'nack', seq: 8, subject: n1 },
  { kind: 'ping-request', seq: 9, target: n2, targetAddress: '10.0.0.2:7946' },
  { kind: 'gossip' },
]
const swimMessages = bodies.map((body): SwimMessage => ({
  ...body,
  sender: { id: n1, incarnation: 3, health: 0, meta },
  rumours: [
    { kind: 'alive', node: n2, incarnation: 1, meta },
    { kind: 'suspect', node: n2, incarnation: 1, by: n1 },
    { kind: 'dead', node: n2, incarnation: 2, by: n1 },
    { kind: 'left', node: n2, incarnation: 4 },
  ],
}))

const [anyMessage] = swimMessages
const rumours = anyMessage?.rumours ?? []
const memberQuestions: MemberSyncQuestion[] = [
  { kind: 'compare', fingerprint: 2 ** 51 },
  { kind: 'digest', digest: [{ node: n1, incarnation: 3, state: 'suspect' }] },
  { kind: 'news', rumours },
]
const memberAnswers: MemberSyncAnswer[] = [
  { isSame: true, news: [], wanted: [] },
  { isSame: false, news: rumours, wanted: [n2] },
]

const section: Section = {
  ...{ node: n1, epoch: 1_795_000_000_000, since: 0, through: 4, isWhole: true },
  records: [
    { version: 2, key: 'task/a', value: { state: 'running', targets: { '80': '127.0.0.1:1' } } },
    { version: 4, key: 'task/b', value: null },
  ],
}
const digest = [
  { node: n1, epoch: 1, through: 4 },
  { node: n2, epoch: 2, through: 0 },
]

const joinRequests: JoinRequest[] = [
  {
    ...meta,
    version: 1,
    secret: 'a'.repeat(25),
    certificateRequest: {
      ...{ peerId: `12D3Koo${'W'.repeat(45)}`, publicKey: 'cHVibGlj' },
      ...{ tlsProof: 'dGxz', peerProof: 'cGVlcg==' },
    },
    availability: 'active',
    description: { Hostname: 'n1', Platform: { OS: 'linux' }, Labels: ['a', 1, null] },
  },
]
const joinReplies: JoinReply[] = [
  { kind: 'refused', reason: 'bad token' },
  {
    ...{ kind: 'accepted', nodeId: n1, clusterId: '3'.repeat(25), role: 'worker' },
    ...{ certificatePem: 'pem', caCertificatesPem: ['pem'], gossipKeys: ['c2VjcmV0'] },
    members: [{ ...meta, node: n2, role: 'manager', peerId: '12D3KooW' }],
    ...{ nowMs: 1, yourAddress: '10.0.0.9' },
  },
]

const targets: readonly FuzzTarget[] = [
  codec('swim', swimMessages, { encode: encodeSwimMessage, decode: decodeSwimMessage }),
  codec('published records', [section], {
    encode: encodePublishedRecords,
    decode: decodePublishedRecords,
  }),
  codec('sync question', [{ groups: [0, 63], digest, sections: [section] }], {
    encode: encodeSyncQuestion,
    decode: decodeSyncQuestion,
  }),
  codec('summary', [{ salt: 9, sums: [1, 2 ** 32 - 1] }], {
    encode: encodeSummary,
    decode: decodeSummary,
  }),
  codec('differences', [[0, 63]], { encode: encodeDifferences, decode: decodeDifferences }),
  codec('member question', memberQuestions, {
    encode: encodeMemberSyncQuestion,
    decode: decodeMemberSyncQuestion,
  }),
  codec('member answer', memberAnswers, {
    encode: encodeMemberSyncAnswer,
    decode: decodeMemberSyncAnswer,
  }),
  codec('sync answer', [{ digest, sections: [section], isWhole: true }], {
    encode: encodeSyncAnswer,
    decode: decodeSyncAnswer,
  }),
  codec('join request', joinRequests, {
    encode: encodeJson,
    decode: (bytes) => decodeJson(joinRequest, bytes),
  }),
  codec('join reply', joinReplies, {
    encode: encodeJson,
    decode: (bytes) => decodeJson(joinReply, bytes),
  }),
]

for (const target of targets) {
  test(`no bytes of a peer harm the decoder: ${target.name}`, (t) => {
    t.diagnostic(describeFuzz(fuzz(target, fuzzInputs, fuzzSeed)))
  })
}
