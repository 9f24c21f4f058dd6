import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '../../mesh/base/random.ts'
import { BodyReader, type BodyForm } from '../../src/ingress/http/body-reader.ts'
import { HeadIntake } from '../../src/ingress/http/head-intake.ts'
import { HeadWriter } from '../../src/ingress/http/head-writer.ts'
import { RequestHead } from '../../src/ingress/http/request-head.ts'
import { ResponseHead } from '../../src/ingress/http/response-head.ts'
import { rewriteRequest, type Hop } from '../../src/ingress/http/rewrite-request.ts'
import { rewriteResponse } from '../../src/ingress/http/rewrite-response.ts'
import { pick } from '../support/fuzz-mutations.ts'
import {
  chunked,
  describeFuzz,
  fuzz,
  fuzzInputs,
  fuzzSeed,
  type FuzzTarget,
} from '../support/fuzz.ts'
import { Llhttp, type Reading, type ReadMessage } from './llhttp.ts'

/**
 * Our parser against Node's: where both accept a message they agree on where it ends and what is in
 * it, and what we send on is exactly one message to Node's, with the same body.
 */
const limitBytes = 16 * 1024
const writer = new HeadWriter()
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')
const hop: Hop = {
  client: ascii('192.0.2.1'),
  forwardedFor: ascii('for=192.0.2.1'),
  ownHost: ascii('192.0.2.9'),
  isTrusted: false,
  via: ascii('mesh-svc-80'),
}
const toClient = {
  knowsChunks: true,
  staysOpen: true,
  keepAlive: ascii('Connection: keep-alive\r\n'),
}

interface Sent extends ReadMessage {
  /** As it goes on to the other side. */
  sent: string
}

interface Ours {
  readonly messages: readonly Sent[]
  readonly isRefused: boolean
}

type Head = RequestHead | ResponseHead

/** What our parser makes of the same bytes, cut as a network would. */
function readOurs(head: Head, pieces: readonly Uint8Array[]): Ours {
  const intake = new HeadIntake()
  const data = new BodyReader()
  const passing = new BodyReader()
  const messages: Sent[] = []
  let message: Sent | null = null
  const next = (): void => {
    message = null
    intake.begin(limitBytes)
    if (head instanceof RequestHead) head.begin(limitBytes)
    else head.begin(limitBytes, false)
  }
  next()
  for (const bytes of pieces) {
    let at = 0
    while (at < bytes.length) {
      if (messages.at(-1)?.isLast === true && messages.at(-1)?.isWhole === true) {
        return { messages, isRefused: false }
      }
      if (message === null) {
        const progress = intake.feed(head, bytes, [at, bytes.length])
        if (progress === 'more') break
        if (progress !== 'whole') return { messages, isRefused: true }
        at = intake.endsAt
        message = begin(head)
        messages.push(message)
        data.begin(head.framing, { keepsChunks: false, keepsTrailers: false })
        passing.begin(head.framing, whole)
      } else {
        const end = passing.read(bytes, at, bytes.length)
        assert.equal(data.read(bytes, at, bytes.length), end)
        if (end === null) return { messages, isRefused: true }
        message.body += textOf(bytes, data.passing)
        message.sent += textOf(bytes, passing.passing)
        message.sent += passing.tail === null ? '' : Buffer.from(passing.tail).toString('latin1')
        at = end
      }
      message.isWhole = passing.isDone
      if (message.isWhole && !message.isLast) next()
    }
  }
  return { messages, isRefused: false }
}

const whole: BodyForm = { keepsChunks: true, keepsTrailers: true }

function begin(head: Head): Sent {
  const fields = head.fields
  const line =
    ascii('').toString() +
    Buffer.from(fields.bytes).toString(
      'latin1',
      fields.base + fields.startFrom,
      fields.base + fields.startTo,
    )
  const common = { body: '', isWhole: false }
  if (head instanceof RequestHead) {
    const start = line.slice(0, line.lastIndexOf(' '))
    const sent = Buffer.from(rewriteRequest(head, hop, { writer, requestId: 'id' })).toString(
      'latin1',
    )
    return { ...common, start, sent, isLast: !head.wantsKeepAlive || head.connection.hasUpgrade }
  }
  const sent = Buffer.from(rewriteResponse(head, toClient, writer)).toString('latin1')
  const isLast = head.status === 101 || (head.status >= 200 && !head.keepsAlive)
  return { ...common, start: String(head.status), sent, isLast }
}

function textOf(bytes: Uint8Array, ranges: readonly number[]): string {
  let text = ''
  for (let at = 0; at < ranges.length; at += 2) {
    text += Buffer.from(bytes.subarray(ranges[at], ranges[at + 1])).toString('latin1')
  }
  return text
}

function compare(ours: Ours, theirs: Reading): void {
  for (let at = 0; ; at++) {
    const mine = ours.messages[at]
    const other = theirs.messages[at]
    const isMine = mine?.isWhole === true
    const isTheirs = other?.isWhole === true
    if (isMine !== isTheirs) {
      const isWaiting = isMine ? !theirs.isRefused : !ours.isRefused
      assert.ok(!isWaiting, `only ${isMine ? 'we take' : 'llhttp takes'} message ${at} for whole`)
    }
    if (mine === undefined || other === undefined || !isMine || !isTheirs) return
    assert.equal(mine.start, other.start)
    assert.equal(mine.body, other.body)
    if (mine.isLast || other.isLast) return
  }
}

/** The other side of the proxy hears one message, and the same one. */
function checkSent(sent: Sent, llhttp: Llhttp): void {
  if (!sent.isWhole) return
  const { messages, isRefused } = llhttp.read(ascii(sent.sent))
  assert.equal(isRefused, false, `llhttp refuses what is sent on: ${JSON.stringify(sent.sent)}`)
  assert.equal(messages.length, 1, JSON.stringify(sent.sent))
  assert.equal(messages[0]?.isWhole, true)
  assert.equal(messages[0]?.body, sent.body)
}

const methodsOfNode = /^(?:GET|POST|PUT|DELETE|HEAD|OPTIONS|PATCH|REPORT) /

function target(
  kind: 'request' | 'response',
  messages: readonly string[],
  lines: readonly string[],
): FuzzTarget {
  const llhttp = new Llhttp(kind)
  const head = kind === 'request' ? new RequestHead() : new ResponseHead()
  const starts = messages.map((message) => message.slice(0, message.indexOf('\r\n')))
  const bodies = [
    '',
    'hello',
    '5\r\nhello\r\n0\r\n\r\n',
    '5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n',
    '0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: evil\r\n\r\n',
  ]
  const make = (random: Random): Uint8Array => {
    let text = ''
    for (let at = random.below(3); at >= 0; at--) {
      const fields = Array.from({ length: random.below(4) }, () => pick(lines, random))
      const host = kind === 'request' && random.below(8) > 0 ? ['Host: web'] : []
      text += [pick(starts, random), ...host, ...fields, '', pick(bodies, random)].join('\r\n')
    }
    return ascii(text)
  }
  return {
    name: `an HTTP ${kind}`,
    corpus: messages.map(ascii),
    make,
    decode: (bytes, random) => {
      const ours = readOurs(head, chunked(bytes, random))
      compare(ours, llhttp.read(bytes))
      for (const message of ours.messages) {
        if (kind === 'response' || methodsOfNode.test(message.start)) checkSent(message, llhttp)
      }
      return ours.messages.some((message) => message.isWhole)
    },
  }
}

const requests = [
  'GET / HTTP/1.1\r\nHost: web\r\n\r\n',
  'GET /a?b HTTP/1.1\r\nHost: web\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\nGET /2 HTTP/1.1\r\nHost: web\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: web\r\n\r\n',
  'PUT /p HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n',
  'PUT /p HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\na\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: web\r\n\r\n',
  'HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nMax-Forwards: 3\r\nTE: trailers\r\nConnection: TE, x\r\nx: y\r\n\r\n',
  'DELETE http://web:80/a HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n',
  'GET /chat HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00',
  'REPORT / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\nConnection: close\r\nVia: 1.1 a\r\n\r\nhi',
]
const responses = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=3\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 404\r\nContent-Length: 2\r\nConnection: close\r\nServer: a\r\n\r\nno',
  'HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: Chunked\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n0\r\n\r\n',
]
const lines = [
  ...['Content-Length: 5', 'Content-Length: 0', 'Content-Length: 05', 'Content-Length: 5, 5'],
  ...[
    'content-length:5',
    'Content-Length : 5',
    'Content-Length: +5',
    'Content-Length: ',
    'Content_Length: 5',
  ],
  ...['Transfer-Encoding: chunked', 'transfer-encoding:\tchunked', 'Transfer-Encoding: chunked '],
  ...[
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: xchunked',
  ],
  ...[
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: identity',
  ],
  ...[
    'Connection: close',
    'Connection: keep-alive',
    'Connection: Content-Length',
    'Connection: upgrade',
  ],
  ...[
    'Connection: keep-alive, close',
    'Upgrade: websocket',
    'Upgrade: h2c',
    'Host: other',
    'Host:',
  ],
  ...['A: b\r\n c', ' A: b', 'A: b\rc', 'A: b\0', 'A:', ': b', 'A', 'A: b\nC: d', 'X: \x80\xff'],
  ...['Trailer: Content-Length', 'TE: trailers', 'Expect: 100-continue', 'Via: 1.1 mesh-svc-80'],
]

// Two heads and bodies each, and every one of both parsers: half a million of both are a million.
const inputs = fuzzInputs * 5

test('requests: we and llhttp agree on where every message ends', (context) => {
  context.diagnostic(describeFuzz(fuzz(target('request', requests, lines), inputs, fuzzSeed)))
})

test('answers: we and llhttp agree on where every message ends', (context) => {
  context.diagnostic(describeFuzz(fuzz(target('response', responses, lines), inputs, fuzzSeed)))
})
