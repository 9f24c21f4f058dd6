import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJson, encodeJson, isRefused } from '../../../mesh/wire/frames.ts'
import { joinReply, joinRequest, type JoinRequest } from '../../../mesh/wire/join-message.ts'

const request: JoinRequest = {
  version: 1,
  secret: 'a'.repeat(25),
  certificateRequest: {
    peerId: `12D3Koo${'W'.repeat(45)}`,
    publicKey: 'cHVibGlj',
    tlsProof: 'dGxz',
    peerProof: 'cGVlcg==',
  },
  name: 'n1',
  gossipAddress: ':7946',
  controlAddress: '10.0.0.1:2377',
  dataPathAddress: '[2001:db8::1]:4789',
  availability: 'active',
  description: { Hostname: 'n1', Platform: { OS: 'linux' } },
}

/** The request with some JSON text in place of its description. */
function describedBy(description: string): Uint8Array {
  const text = JSON.stringify({ ...request, description: 0 })
  return Buffer.from(text.replace('"description":0', `"description":${description}`))
}

const nested = (open: string, close: string, depth: number): string =>
  `{"a":${open.repeat(depth)}1${close.repeat(depth)}}`

test('a join request arrives as it was sent', () => {
  assert.deepEqual(decodeJson(joinRequest, encodeJson(request)), request)
})

test("a stranger's description cannot be nested so deep that walking it runs out of stack", () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"1":', '}'],
    ['{"toJSON":', '}'],
  ] as const) {
    const decoded = decodeJson(joinRequest, describedBy(nested(open, close, 9000)))
    assert.ok(isRefused(decoded), open)
    assert.match(decoded.refused, /^description: /)
  }
})

test('a description may be as large and as deep as machines need, and no larger', () => {
  assert.ok(!isRefused(decodeJson(joinRequest, describedBy(nested('{"a":', '}', 20)))))
  const large = describedBy(JSON.stringify({ a: 'x'.repeat(17_000) }))
  assert.ok(isRefused(decodeJson(joinRequest, large)))
  assert.ok(isRefused(decodeJson(joinRequest, describedBy('[]'))))
})

test('a reply that is none is refused', () => {
  assert.ok(isRefused(decodeJson(joinReply, encodeJson({ kind: 'accepted' }))))
  const refused = { kind: 'refused', reason: 'bad token' } as const
  assert.deepEqual(decodeJson(joinReply, encodeJson(refused)), refused)
})
