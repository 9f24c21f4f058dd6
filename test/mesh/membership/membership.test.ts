import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SwimMessage } from '../../../mesh/membership/message.ts'
import { encodeSwimMessage } from '../../../mesh/wire/swim-message.ts'
import { aliveOf, idOf, metaOf, OneMember, sentIn, suspectOf } from './membership-fixture.ts'

const gossip = { kind: 'gossip' } as const

test('a member is alive to itself, and so is a seed until it fails to answer', () => {
  const a = new OneMember()
  a.join('b')
  assert.deepEqual([a.state('a'), a.state('b')], ['alive', 'alive'])
  assert.equal(a.get('b')?.incarnation, 0)
})

test('a ping is answered to where it came from, unless it was meant for somebody else', () => {
  const a = new OneMember()
  const [ack] = sentIn(a.hear('b', { kind: 'ping', seq: 9, target: idOf('a') }))
  assert.ok(ack?.kind === 'ack')
  assert.deepEqual([ack.to, ack.seq, ack.subject], ['b:7946', 9, idOf('a')])
  assert.deepEqual(sentIn(a.hear('b', { kind: 'ping', seq: 10, target: idOf('c') })), [])
})

test('a silent member is asked directly, then through three others, then suspected, then dead', () => {
  const a = new OneMember()
  const others = ['c', 'd', 'e', 'f']
  a.join('b', ...others)
  a.pass(4000, others)
  const sent = sentIn(a.effects)
  const asked = sent.filter((message) => message.kind === 'ping-request')
  const first = asked.filter((message) => message.seq === asked[0]?.seq)
  assert.equal(new Set(first.map(({ to }) => to)).size, 3)
  assert.ok(first.every((message) => message.target === idOf('b')))
  assert.equal(a.state('b'), 'suspect')
  assert.deepEqual(
    others.map((name) => a.state(name)),
    ['alive', 'alive', 'alive', 'alive'],
  )
  a.pass(10_000, others)
  assert.equal(a.state('b'), 'dead')
})

test('others who agree make a suspicion short', () => {
  const a = new OneMember()
  const others = ['c', 'd', 'e', 'f']
  a.join('b', ...others)
  a.pass(100, others)
  for (const name of ['c', 'd', 'e']) a.hear(name, gossip, [suspectOf('b', 0, name)])
  assert.equal(a.state('b'), 'suspect')
  a.pass(1150, others)
  assert.equal(a.state('b'), 'suspect')
  a.pass(100, others)
  assert.equal(a.state('b'), 'dead')
})

test('who is accused hears it with the next ping, and its higher incarnation clears it', () => {
  const a = new OneMember()
  a.join('b', 'c')
  const accusation = suspectOf('b', 1, 'c')
  a.hear('b', gossip)
  a.hear('c', gossip, [accusation])
  a.effects.length = 0
  a.pass(100)
  const pings = sentIn(a.effects).filter(({ kind, to }) => kind === 'ping' && to === 'b:7946')
  assert.ok(pings.length > 0)
  assert.ok(pings.every(({ rumours }) => rumours.some(({ kind }) => kind === 'suspect')))
  a.hear('b', gossip, [], 2)
  assert.equal(a.state('b'), 'alive')
  a.hear('c', gossip, [accusation])
  assert.equal(a.state('b'), 'alive')
})

test('what is said of ourselves is refuted at once, and costs health', () => {
  const a = new OneMember()
  a.join('b')
  const dead = { kind: 'dead', node: idOf('a'), incarnation: 130, by: idOf('b') } as const
  const [reply] = sentIn(a.hear('b', gossip, [dead]))
  assert.equal(reply?.to, 'b:7946')
  assert.equal(reply.sender.incarnation, 131)
  assert.equal(a.state('a'), 'alive')
  assert.equal(a.membership.health, 1)
})

test('in one incarnation left beats dead beats suspect beats alive, in any order', () => {
  const node = idOf('b')
  const by = idOf('c')
  const rumours = [
    aliveOf('b', 5),
    { kind: 'suspect', node, incarnation: 5, by },
    { kind: 'dead', node, incarnation: 5, by },
    { kind: 'left', node, incarnation: 5 },
  ] as const
  for (let first = 0; first < rumours.length; first++) {
    for (let second = 0; second < rumours.length; second++) {
      const a = new OneMember()
      a.join('b')
      a.hear('c', gossip, [rumours[first] ?? aliveOf('b', 5)])
      a.hear('c', gossip, [rumours[second] ?? aliveOf('b', 5)])
      assert.equal(a.state('b'), rumours[Math.max(first, second)]?.kind)
    }
  }
})

test('a refused redial and an unanswered ping make a member dead within a second', () => {
  const a = new OneMember()
  a.join('b', 'c', 'd', 'e')
  a.pass(2000, ['b', 'c', 'd', 'e'])
  a.step({ kind: 'connection', node: idOf('b'), event: 'down' })
  a.pass(150, ['c', 'd', 'e'])
  a.step({ kind: 'connection', node: idOf('b'), event: 'refused' })
  a.pass(100, ['c', 'd', 'e'])
  assert.equal(a.state('b'), 'suspect')
  a.pass(600, ['c', 'd', 'e'])
  assert.equal(a.state('b'), 'dead')
})

test('a refused redial alone proves nothing while pings are answered', () => {
  const a = new OneMember()
  const others = ['b', 'c']
  a.join(...others)
  for (let second = 0; second < 5; second++) {
    a.step({ kind: 'connection', node: idOf('b'), event: 'refused' })
    a.pass(1000, others)
  }
  const changes = a.effects.filter((effect) => effect.kind === 'member-changed')
  assert.ok(changes.every(({ member }) => member.state === 'alive'))
})

test('a relay passes the answer on, and says so when there is none', () => {
  const a = new OneMember()
  a.join('b', 'c')
  const request = {
    kind: 'ping-request',
    seq: 77,
    target: idOf('c'),
    targetAddress: 'c:7946',
  } as const
  const [ping] = sentIn(a.hear('b', request))
  assert.ok(ping?.kind === 'ping' && ping.to === 'c:7946')
  const [answer] = sentIn(a.hear('c', { kind: 'ack', seq: ping.seq, subject: idOf('c') }))
  assert.ok(answer?.kind === 'ack' && answer.to === 'b:7946')
  assert.deepEqual([answer.seq, answer.subject], [77, idOf('c')])
  a.hear('b', { ...request, seq: 78 })
  a.effects.length = 0
  a.pass(200)
  const nacks = sentIn(a.effects).filter(({ kind }) => kind === 'nack')
  assert.deepEqual(
    nacks.map(({ to }) => to),
    ['b:7946'],
  )
})

test('our own standstill accuses nobody', () => {
  const a = new OneMember()
  const others = ['b', 'c', 'd']
  a.join(...others)
  a.pass(3000, others)
  a.step({ kind: 'connection', node: idOf('b'), event: 'down' })
  a.nowMs += 30_000
  a.step({ kind: 'tick' })
  assert.equal(a.state('b'), 'alive')
})

test('a late event loop slows our probes down', () => {
  const [brisk, slow] = [0, 650].map((delayMs) => {
    const a = new OneMember()
    a.join('b', 'c', 'd')
    a.step({ kind: 'event-loop-delay', delayMs })
    a.pass(10_000, ['b', 'c', 'd'])
    return sentIn(a.effects).filter(({ kind }) => kind === 'ping').length
  })
  assert.ok(slow !== undefined && brisk !== undefined && slow < brisk / 3)
})

test('the dead are asked now and then, and come back with a higher incarnation', () => {
  const a = new OneMember()
  a.join('b')
  a.pass(5000)
  assert.equal(a.state('b'), 'dead')
  a.effects.length = 0
  a.pass(4000)
  const knocks = sentIn(a.effects).filter(({ kind, to }) => kind === 'ping' && to === 'b:7946')
  assert.ok(knocks.length >= 1 && knocks.length <= 4)
  assert.ok(knocks.every(({ rumours }) => rumours.some(({ kind }) => kind === 'dead')))
  a.hear('b', gossip, [], 1)
  assert.equal(a.state('b'), 'alive')
})

test('leaving tells three peers, and nothing that is said of us is refuted any more', () => {
  const a = new OneMember()
  a.join('b', 'c', 'd', 'e')
  const goodbyes = sentIn(a.step({ kind: 'leave' }))
  assert.equal(goodbyes.length, 3)
  const left = { kind: 'left', node: idOf('a'), incarnation: 100 }
  for (const { rumours } of goodbyes) assert.deepEqual(rumours[0], left)
  a.hear('b', gossip, [{ kind: 'dead', node: idOf('a'), incarnation: 100, by: idOf('b') }])
  assert.equal(a.state('a'), 'left')
  assert.equal(a.get('a')?.incarnation, 100)
})

test('a forgotten member is told of once more and stays away until the catalog names it again', () => {
  const a = new OneMember()
  a.join('b', 'c')
  const [told] = a.step({ kind: 'forget', node: idOf('b') })
  assert.ok(told?.kind === 'member-changed' && told.member.state === 'left')
  a.hear('c', gossip, [aliveOf('b', 50)])
  assert.deepEqual(a.hear('b', { kind: 'ping', seq: 1, target: idOf('a') }, [], 60), [])
  assert.equal(a.state('b'), 'unknown')
  a.join('b')
  assert.equal(a.state('b'), 'alive')
})

test('new facts about a member replace the old ones everywhere', () => {
  const a = new OneMember()
  a.join('b')
  a.hear('b', gossip, [], 1)
  const meta = { ...metaOf('b'), gossipAddress: 'elsewhere:1' }
  a.hear('c', gossip, [{ kind: 'alive', node: idOf('b'), incarnation: 2, meta }])
  assert.deepEqual(a.get('b')?.meta, meta)
  a.step({ kind: 'update-meta', meta: metaOf('renamed') })
  assert.deepEqual([a.get('a')?.meta.name, a.get('a')?.incarnation], ['renamed', 101])
})

test('a full table takes a newcomer only in the place of one who is gone', () => {
  const a = new OneMember({ maxMembers: 3 })
  a.join('b', 'c', 'd')
  assert.equal(a.state('d'), 'unknown')
  a.hear('c', gossip, [{ kind: 'left', node: idOf('b'), incarnation: 0 }])
  a.join('d')
  assert.deepEqual([a.state('b'), a.state('d')], ['unknown', 'alive'])
})

test('no message is longer than allowed, however much there is to tell', () => {
  const a = new OneMember({ maxPayloadBytes: 700 })
  for (let at = 0; at < 200; at++) a.hear(`m${at}`, gossip, [], 1_700_000_000_000 + at)
  a.pass(1000)
  const sizes = sentIn(a.effects).map((message) => encodeSwimMessage(message).length)
  assert.ok(Math.max(...sizes) <= 700)
  assert.ok(Math.max(...sizes) > 600)
})

test('a member that comes back with an older clock is told what its former life said', () => {
  const a = new OneMember()
  a.join('b')
  a.hear('b', { kind: 'gossip' }, [], 500)
  const told = sentIn(a.hear('b', { kind: 'ping', seq: 9, target: idOf('a') }, [], 20))
  assert.deepEqual(told[0]?.rumours[0], aliveOf('b', 500))
  // And who is told so goes beyond it.
  a.hear('b', { kind: 'gossip' }, [aliveOf('a', 700)], 501)
  assert.equal(a.get('a')?.incarnation, 701)
})

const twinOf = (address: string) => ({
  id: idOf('a'),
  incarnation: 900,
  meta: { ...metaOf('a'), gossipAddress: address },
  health: 0,
})

test('a copy of a member is found out by asking it, and an earlier life of it is not', () => {
  const a = new OneMember()
  a.join('b')
  const elsewhere = twinOf('x:7946')
  const { incarnation, meta } = elsewhere
  const rumour = { kind: 'alive', node: idOf('a'), incarnation, meta } as const
  const asked = sentIn(a.hear('b', { kind: 'gossip' }, [rumour])).find(({ to }) => to === 'x:7946')
  assert.ok(asked?.kind === 'ping' && asked.target === idOf('a'))
  const say = (body: { kind: 'ack' | 'ping'; seq: number }) => {
    const words =
      body.kind === 'ack' ? { ...body, subject: idOf('a') } : { ...body, target: idOf('a') }
    const message = { ...words, sender: elsewhere, rumours: [] } as SwimMessage
    return a.step({ kind: 'packet', from: 'x:7946', message })
  }
  // A packet of a former life that somebody repeats answers no question of ours.
  assert.deepEqual(say({ kind: 'ack', seq: (asked.seq + 1) >>> 0 }), [])
  // What it asks is answered: it finds out, too.
  const answered = sentIn(say({ kind: 'ping', seq: 77 }))
  assert.deepEqual(
    answered.map(({ kind, to }) => [kind, to]),
    [['ack', 'x:7946']],
  )
  const found = say({ kind: 'ack', seq: asked.seq })
  assert.deepEqual(found, [{ kind: 'twin', address: 'x:7946' }])
  assert.deepEqual(say({ kind: 'ack', seq: asked.seq }), [], 'said once')
})

test('tables are compared by digest, and each side learns what the other knows better', () => {
  const [one, two] = [new OneMember(), new OneMember()]
  for (const member of [one, two]) member.join('b', 'c', 'd')
  one.hear('b', { kind: 'gossip' }, [], 5)
  two.hear('b', { kind: 'gossip' }, [], 5)
  assert.equal(one.membership.fingerprint, two.membership.fingerprint)
  one.hear('c', { kind: 'gossip' }, [], 7)
  two.hear('d', { kind: 'gossip' }, [suspectOf('b', 5, 'd')], 8)
  assert.notEqual(one.membership.fingerprint, two.membership.fingerprint)
  const { news, wanted } = two.membership.differenceTo(one.membership.digest())
  one.step({ kind: 'news', rumours: news })
  two.step({ kind: 'news', rumours: one.membership.newsOf(wanted) })
  assert.equal(one.membership.fingerprint, two.membership.fingerprint)
  assert.equal(one.state('b'), 'suspect')
  assert.equal(two.get('c')?.incarnation, 7)
})
