import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { eventually } from '../../../support/eventually.ts'
import { allOf, get, ok, RawTask, say, statusOf } from './raw-task.ts'
import { TestEntrance, until } from './test-entrance.ts'

/** The cases of smuggling and confusion that a reverse proxy must get right, by their numbers. */
let entrance: TestEntrance

beforeEach(async () => {
  entrance = await TestEntrance.open()
})

afterEach(() => entrance.close())

/** Is answered so, and no task hears a byte of it. */
async function refused(status: number, text: string): Promise<void> {
  const task = await RawTask.serve(entrance)
  const answer = await say(entrance, text)
  assert.equal(statusOf(answer), status, `${JSON.stringify(text)} → ${answer}`)
  assert.match(answer, /\(request [0-9a-f-]+\)\n$/)
  assert.match(answer, /Connection: close\r\n/)
  assert.equal(answer.split(/HTTP\/1\.1 \d/).length, 2, 'nothing after the answer')
  assert.equal(task.all, '')
}

/** What the task gets for this. */
async function passed(text: string, answer = ok): Promise<string> {
  const task = await RawTask.serve(entrance, answer)
  const said = await say(entrance, text)
  assert.equal(statusOf(said), 200, said)
  assert.equal(task.requests, 1)
  return task.all
}

/** What the client gets when the task answers so, and then closes if it is asked to. */
async function answered(answer: string, ask = get(), closes = false): Promise<string> {
  await RawTask.serve(entrance, (socket) => {
    if (closes) socket.end(answer, 'latin1')
    else socket.write(answer, 'latin1')
  })
  return say(entrance, ask)
}

const body = 'Content-Length: 5'
const chunked = 'Transfer-Encoding: chunked'
const chunks = '5\r\nhello\r\n0\r\n\r\n'

test('1: Content-Length beside Transfer-Encoding', () =>
  refused(400, `${get('POST / HTTP/1.1', body, chunked)}${chunks}`))

for (const value of [
  '5\r\nContent-Length: 5',
  '5\r\nContent-Length: 6',
  '5, 5',
  '+5',
  '0x5',
  '-1',
]) {
  test(`2: Content-Length: ${JSON.stringify(value)}`, () =>
    refused(400, `${get('POST / HTTP/1.1', `Content-Length: ${value}`)}hello`))
}
for (const value of ['', '5 5', '5;', '9007199254740993', '5\u00a0']) {
  test(`2: Content-Length: ${JSON.stringify(value)}, too`, () =>
    refused(400, `${get('POST / HTTP/1.1', `Content-Length: ${value}`)}hello`))
}

for (const value of [
  'xchunked',
  'chunked, identity',
  'chunked\r\nTransfer-Encoding: chunked',
  'chunked\r\nTransfer-Encoding: identity',
  '"chunked"',
  'chunked;q=1',
  'identity',
  '',
]) {
  test(`3: Transfer-Encoding: ${JSON.stringify(value)}`, () =>
    refused(400, `${get('POST / HTTP/1.1', `Transfer-Encoding: ${value}`)}${chunks}`))
}

test('4: a coding that we do not know', () =>
  refused(501, `${get('POST / HTTP/1.1', 'Transfer-Encoding: gzip, chunked')}${chunks}`))

test('5: Transfer-Encoding with HTTP/1.0', () =>
  refused(400, `${get('POST / HTTP/1.0', chunked)}${chunks}`))

test('6: two hosts, no host, an empty or impossible host', async () => {
  await refused(400, get('GET / HTTP/1.1', 'Host: other'))
  await refused(400, 'GET / HTTP/1.1\r\n\r\n')
  for (const host of ['', 'a b', 'a/b', 'user@a', 'a,b', 'a"b']) {
    await refused(400, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  }
})

test('7: the host of an absolute target is the host', async () => {
  const got = await passed(get('GET http://real:8080/a?b HTTP/1.1'))
  assert.match(got, /^GET \/a\?b HTTP\/1\.1\r\nHost: real:8080\r\n/)
  assert.match(got, /X-Forwarded-Host: real:8080\r\n/)
  assert.doesNotMatch(got, /Host: web/)
  assert.match(
    await passed(get('GET http://real?b HTTP/1.1')),
    /^GET \/\?b HTTP\/1\.1\r\nHost: real/,
  )
  assert.match(await passed(get('GET http://real HTTP/1.1')), /^GET \/ HTTP\/1\.1\r\nHost: real/)
  await refused(400, get('GET https://real/ HTTP/1.1'))
  await refused(400, get('GET http:///a HTTP/1.1'))
  await refused(400, get('GET http://user@real/ HTTP/1.1'))
})

for (const [name, text] of [
  ['a space before a colon', 'GET / HTTP/1.1\r\nHost : web\r\n\r\n'],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: web\r\nA: b\r\n c\r\n\r\n'],
  ['a first field that is folded', 'GET / HTTP/1.1\r\n Host: web\r\n\r\n'],
  ['a bare LF after a field', 'GET / HTTP/1.1\r\nHost: web\nA: b\r\n\r\n'],
  ['nothing but bare LFs', 'GET / HTTP/1.1\nHost: web\n\n'],
  ['a bare CR', 'GET / HTTP/1.1\r\nHost: web\r\nA: b\rc\r\n\r\n'],
  ['CR CR LF', 'GET / HTTP/1.1\r\nHost: web\r\r\n\r\n'],
  ['NUL', 'GET / HTTP/1.1\r\nHost: web\r\nA: b\0c\r\n\r\n'],
  ['a vertical tab before chunked', get('POST / HTTP/1.1', 'Transfer-Encoding: \vchunked')],
  ['no name', 'GET / HTTP/1.1\r\nHost: web\r\n: b\r\n\r\n'],
  ['no colon', 'GET / HTTP/1.1\r\nHost: web\r\nabc\r\n\r\n'],
  ['a name with a byte that no name has', 'GET / HTTP/1.1\r\nHost: web\r\nA{: b\r\n\r\n'],
  ['a tab in the start line', 'GET\t/ HTTP/1.1\r\nHost: web\r\n\r\n'],
  ['two spaces in the start line', 'GET  / HTTP/1.1\r\nHost: web\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: web\r\n\r\n'],
  ['a version in small letters', 'GET / http/1.1\r\nHost: web\r\n\r\n'],
  ['no version', 'GET /\r\n'],
  ['a method in small letters', 'head / HTTP/1.1\r\nHost: web\r\n\r\n'],
  ['no method', ' / HTTP/1.1\r\nHost: web\r\n\r\n'],
  ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00'],
] as const) {
  test(`8: ${name}`, () => refused(400, text))
}

test('8: versions that we do not speak', async () => {
  await refused(505, 'GET / HTTP/1.2\r\nHost: web\r\n\r\n')
  await refused(505, 'GET / HTTP/2.0\r\nHost: web\r\n\r\n')
  await refused(505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
})

test('9: extensions of chunks end here', async () => {
  const text = get('POST / HTTP/1.1', chunked)
  const got = await passed(`${text}5;a=b;c="d"\r\nhello\r\n0;last\r\n\r\n`)
  assert.match(got, /Transfer-Encoding: chunked\r\n/)
  assert.ok(got.endsWith(`\r\n\r\n${chunks}`), got)
})

for (const malformed of [
  '5;a\nb\r\nhello\r\n0\r\n\r\n',
  '5\nhello\r\n0\r\n\r\n',
  '0x5\r\nhello\r\n0\r\n\r\n',
  '5 \r\nhello\r\n0\r\n\r\n',
  ' 5\r\nhello\r\n0\r\n\r\n',
  '+5\r\nhello\r\n0\r\n\r\n',
  '\r\nhello\r\n0\r\n\r\n',
  '5\r\nhelloX\r\n0\r\n\r\n',
  '5\r\nhello\n0\r\n\r\n',
  '10000000000000000\r\nhello\r\n0\r\n\r\n',
  '0\r\nX\r\n\r\n',
  `5;${'a'.repeat(5000)}\r\nhello\r\n0\r\n\r\n`,
]) {
  test(`9: ${JSON.stringify(malformed.slice(0, 24))} is no chunk`, async () => {
    const task = await RawTask.serve(entrance, () => {})
    const answer = await say(entrance, `${get('POST / HTTP/1.1', chunked)}${malformed}`)
    assert.equal(statusOf(answer), 400)
    assert.ok(!task.all.endsWith('0\r\n\r\n'), 'the task must not take it for whole')
  })
}

test('10: trailers end here, and such as change the message are refused', async () => {
  const text = get('POST / HTTP/1.1', chunked, 'Trailer: X-Sum')
  const got = await passed(`${text}5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`)
  assert.ok(got.endsWith(`\r\n\r\n${chunks}`), got)
  assert.doesNotMatch(got, /Trailer|X-Sum/)
  for (const trailer of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: x', 'a b: c']) {
    const task = await RawTask.serve(entrance, () => {})
    const answer = await say(entrance, `${text}5\r\nhello\r\n0\r\n${trailer}\r\n\r\n`)
    assert.equal(statusOf(answer), 400)
    assert.ok(!task.all.endsWith('0\r\n\r\n'))
  }
})

test('10: trailers of an answer go to clients that want them', async () => {
  const answer = `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX_Forwarded_For: x\r\n\r\n`
  assert.ok((await answered(answer)).endsWith(chunks))
  const wanted = await answered(answer, get('GET / HTTP/1.1', 'TE: trailers'))
  assert.ok(wanted.endsWith('5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'), wanted)
})

for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST', 'REPORT']) {
  test(`11: ${method} with a body keeps it, and how it is framed`, async () => {
    const counted = await passed(`${get(`${method} / HTTP/1.1`, body)}hello`)
    assert.match(counted, /Content-Length: 5\r\n/)
    assert.ok(counted.endsWith('\r\n\r\nhello'))
    const inChunks = await passed(`${get(`${method} / HTTP/1.1`, chunked)}${chunks}`)
    assert.match(inChunks, /Transfer-Encoding: chunked\r\n/)
    assert.ok(inChunks.endsWith(`\r\n\r\n${chunks}`))
    assert.match(
      await passed(get(`${method} / HTTP/1.1`, 'Content-Length: 0')),
      /Content-Length: 0/,
    )
  })
}

test('12: fields that Connection names end here, both ways', async () => {
  const got = await passed(
    get('GET / HTTP/1.1', 'X-Secret: a', 'Connection: x-secret,,Keep-Alive , other', 'X-Kept: b'),
  )
  assert.doesNotMatch(got, /secret|other/i)
  assert.match(got, /X-Kept: b\r\n/)
  const answer = await answered(
    'HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: a\r\nX-Kept: b\r\nContent-Length: 0\r\n\r\n',
  )
  assert.doesNotMatch(answer, /secret/i)
  assert.match(answer, /X-Kept: b\r\n/)
  await refused(400, get('GET / HTTP/1.1', 'Connection: a b'))
})

test('13: fields of one hop end here, both ways', async () => {
  const got = await passed(
    get(
      'GET / HTTP/1.1',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'TE: gzip',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
      'Trailer: a',
      'Proxy-Authorization: Basic x',
      'Proxy: http://evil/',
    ),
  )
  assert.doesNotMatch(got, /keep-alive|proxy|^TE:|upgrade|http2|trailer/im)
  const answer = await answered(
    'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nTrailer: a\r\nContent-Length: 0\r\n\r\n',
  )
  assert.doesNotMatch(answer, /timeout=1|proxy|upgrade|trailer/i)
  const trailers = await passed(get('GET / HTTP/1.1', 'TE: gzip, trailers'))
  assert.match(trailers, /Connection: TE\r\nTE: trailers\r\n/)
})

test('14: Connection cannot take our own fields away', async () => {
  const got = await passed(
    get(
      'GET / HTTP/1.1',
      'Connection: close, X-Forwarded-For, Forwarded, Via, Host, Content-Length',
    ),
  )
  for (const name of ['X-Forwarded-For', 'Forwarded', 'Via', 'Host']) {
    assert.match(got, new RegExp(`^${name}: \\S`, 'm'))
  }
})

test('15: only WebSocket is upgraded, and CONNECT makes no tunnel', async () => {
  await refused(501, 'CONNECT web:80 HTTP/1.1\r\nHost: web\r\n\r\n')
  const other = get('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: foo')
  assert.doesNotMatch(await passed(other), /upgrade/i)
  const unasked = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n'
  assert.equal(statusOf(await answered(unasked, other)), 502)
  assert.equal(statusOf(await answered(unasked.replace('foo', 'websocket'), get())), 502)
  const asked = get('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket')
  assert.equal(statusOf(await answered(unasked, asked)), 502)
})

test('16: interim answers pass, and answers without a body have none', async () => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: y\r\n\r\n'
  const hinted = await answered(`HTTP/1.1 100 Continue\r\n\r\n${early}${ok}`)
  assert.match(
    hinted,
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\n/,
  )
  assert.ok(hinted.endsWith('ok'))
  const none = await answered(`HTTP/1.1 204 No Content\r\n${chunked}\r\n\r\n`)
  assert.doesNotMatch(none, /transfer-encoding|content-length/i)
  const same = await answered('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n')
  assert.ok(same.endsWith('\r\n\r\n') && same.includes('Content-Length: 9\r\n'))
  const head = await answered(
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
    get('HEAD / HTTP/1.1'),
  )
  assert.ok(head.endsWith('\r\n\r\n') && head.includes('Content-Length: 9\r\n'))
  const old = await answered(`HTTP/1.1 100 Continue\r\n\r\n${ok}`, get('GET / HTTP/1.0'))
  assert.doesNotMatch(old, /100 Continue/)
})

test('17: 100-continue is between client and task; nothing else can be expected', async () => {
  await refused(417, `${get('POST / HTTP/1.1', body, 'Expect: 200-ok')}hello`)
  const task = await RawTask.serve(entrance, (socket, got) => {
    if (got.endsWith('hello')) socket.write(ok)
    else socket.write('HTTP/1.1 100 Continue\r\n\r\n')
  })
  const socket = entrance.client()
  socket.write(get('POST / HTTP/1.1', body, 'Expect: 100-continue'))
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.equal(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  assert.match(task.all, /Expect: 100-continue\r\n/)
  socket.write('hello')
  assert.ok((await allOf(socket)).endsWith('ok'))
})

test('17: a client that was refused before its body came is not kept', async () => {
  const no = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'
  await RawTask.serve(entrance, no)
  const expecting = `POST / HTTP/1.1\r\nHost: web\r\n${body}\r\nExpect: 100-continue\r\n\r\n`
  assert.match(await say(entrance, expecting), /^HTTP\/1\.1 401 [\s\S]*Connection: close\r\n/)
})

for (const [name, answer] of [
  ['a length that is not reached', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'],
  ['chunks without the last', `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n5\r\nhello\r\n`],
  ['a malformed chunk', `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n`],
] as const) {
  test(`18: ${name} ends in a reset, never politely`, async () => {
    const got = await answered(answer, get(), true)
    assert.ok(got.endsWith('reset'), got)
  })
}

for (const [name, answer] of [
  ['both framings', `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n${chunked}\r\n\r\n${chunks}`],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok'],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
  ['NUL in a field', 'HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n'],
  ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a version of its own', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['something else', 'SSH-2.0-x\r\n\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(20_000)}`],
  ['chunks in HTTP/1.0', `HTTP/1.0 200 OK\r\n${chunked}\r\n\r\n${chunks}`],
] as const) {
  test(`19: an answer with ${name} is none`, async () => {
    assert.equal(statusOf(await answered(answer)), 502)
  })
}

test('19: bytes beyond an answer go to nobody, and their connection is used no more', async () => {
  const task = await RawTask.serve(
    entrance,
    `${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
  )
  for (let at = 0; at < 3; at++) assert.ok((await say(entrance, get())).endsWith('\r\n\r\nok'))
  assert.equal(task.got.length, 3)
})

test('20: what HTTP/2 could bring in never passes: heads are put together from checked parts', async () => {
  const got = await passed(get('GET / HTTP/1.1', 'A:  b c\t ', 'Empty:', 'Utf8: \xc3\xa4'))
  assert.match(got, /\r\nA: b c\r\nEmpty: \r\nUtf8: \xc3\xa4\r\n/)
  assert.equal(got.split('\r\n\r\n').length, 2)
})

test('21: names with underscores that could be taken for ours do not pass', async () => {
  const got = await passed(
    get('GET / HTTP/1.1', 'X_Forwarded_For: 6.6.6.6', 'Content_Length: 9', 'x-forwarded_proto: x'),
  )
  assert.doesNotMatch(got, /_/)
  assert.match(await passed(get('GET / HTTP/1.1', 'my_token: a')), /my_token: a\r\n/)
})

test('22: targets pass as they are, those with a fragment or a control not at all', async () => {
  for (const target of ['/a%2fb', '/a/..;/b', '//a', '/a\\b', '/a/../b', '/?a={b}|^']) {
    assert.ok(
      (await passed(get(`GET ${target} HTTP/1.1`))).startsWith(`GET ${target} HTTP/1.1\r\n`),
    )
  }
  for (const target of ['/a#b', '/\x7f', '/\xc3\xa4', 'a', '*']) {
    await refused(400, get(`GET ${target} HTTP/1.1`))
  }
  assert.match(await passed(get('OPTIONS * HTTP/1.1')), /^OPTIONS \* HTTP/)
})

test('23: bytes after the last request are no request', async () => {
  const task = await RawTask.serve(entrance)
  const answer = await say(
    entrance,
    `${get('POST / HTTP/1.1', body)}helloGET /evil HTTP/1.1\r\n\r\n`,
  )
  assert.equal(answer.split('HTTP/1.1 ').length, 2)
  assert.equal(task.requests, 1)
  assert.doesNotMatch(task.all, /evil/)
})

test('24: what was perhaps done is done again only when that makes no difference', async () => {
  const asked: string[] = []
  const answer = (socket: import('node:net').Socket, got: string): void => {
    asked.push(got.split(' ')[0] ?? '')
    socket.destroy()
  }
  const dying = await RawTask.serve(entrance, answer)
  const good = await RawTask.serve(entrance)
  entrance.route({ dying: dying.address })
  assert.equal(statusOf(await say(entrance, get('POST / HTTP/1.1', 'Content-Length: 0'))), 502)
  assert.equal(statusOf(await say(entrance, get('PATCH / HTTP/1.1', 'Content-Length: 0'))), 502)
  assert.deepEqual(asked, ['POST', 'PATCH'])
  entrance.route({ dying: dying.address, good: good.address }, { balance: 'round-robin' })
  for (let at = 0; at < 6; at++) assert.equal(statusOf(await say(entrance, get())), 200)
})

test('25: Via is added, and whoever comes by twice is told so', async () => {
  const got = await passed(get('GET / HTTP/1.1', 'Via: 1.0 fred', 'Via: 1.1 other'))
  const via = `1.1 mesh-svc1-${entrance.port}`
  assert.ok(got.includes(`Via: 1.0 fred, 1.1 other, ${via}\r\n`), got)
  assert.ok((await passed(get('GET / HTTP/1.0'))).includes(`Via: ${via.replace('1.1', '1.0')}\r\n`))
  await refused(508, get('GET / HTTP/1.1', `Via: 1.1 a, ${via}`))
})

test('25: Max-Forwards is counted down', async () => {
  const passedOn = await passed(get('OPTIONS / HTTP/1.1', 'Max-Forwards: 3'))
  assert.match(passedOn, /Max-Forwards: 2\r\n/)
  assert.match(await passed(get('GET / HTTP/1.1', 'Max-Forwards: 3')), /Max-Forwards: 3\r\n/)
  const task = await RawTask.serve(entrance)
  assert.equal(statusOf(await say(entrance, get('OPTIONS / HTTP/1.1', 'Max-Forwards: 0'))), 200)
  assert.equal(task.all, '')
  await refused(400, get('TRACE / HTTP/1.1', 'Max-Forwards: -1'))
})

test('a whole loop ends: the task asks the entrance again', async () => {
  await RawTask.serve(entrance, (socket, got) => {
    const inner = entrance.client()
    inner.write(got)
    void until(inner, '\r\n\r\n').then((answer) => socket.write(answer))
  })
  assert.equal(statusOf(await say(entrance, get())), 508)
  await eventually(() => assert.equal(entrance.entrance.openConnections, 0))
})
