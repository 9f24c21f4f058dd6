import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MembershipCluster } from './membership-cluster.ts'

const minuteMs = 60_000

function settled(given: ConstructorParameters<typeof MembershipCluster>[0]): MembershipCluster {
  const cluster = new MembershipCluster(given)
  cluster.clock.advance(4000 + given.seed * 37)
  return cluster
}

function deaths(cluster: MembershipCluster): string[] {
  return cluster.sightings
    .filter(({ state }) => state === 'dead')
    .map(({ by, of, atMs }) => `${by.slice(0, 6)} buried ${of.slice(0, 6)} at ${atMs} ms`)
}

for (const { nodes, seeds, minutes } of [
  { nodes: 5, seeds: 2, minutes: 2 },
  { nodes: 30, seeds: 1, minutes: 0.25 },
]) {
  test(`nobody of ${nodes} members is buried alive while a tenth of all packets is lost`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const cluster = settled({ nodes, seed, lossPercent: 10, connections: false })
      cluster.clock.advance(minutes * minuteMs)
      assert.deepEqual(deaths(cluster), [], `seed ${seed}`)
      const suspects = cluster.sightings.filter(({ state }) => state === 'suspect')
      assert.ok(suspects.length > 0, 'the loss is such that somebody must have been suspected')
    }
  })
}

for (const { nodes, seeds } of [
  { nodes: 2, seeds: 5 },
  { nodes: 3, seeds: 5 },
  { nodes: 5, seeds: 6 },
  { nodes: 30, seeds: 1 },
]) {
  test(`a silent one of ${nodes} members is dead to all within 2.5 s, a refusing one within 1 s`, () => {
    for (const [how, limitMs] of [
      ['silent', 2500],
      ['refused', 1000],
    ] as const) {
      for (let seed = 1; seed <= seeds; seed++) {
        const cluster = settled({ nodes, seed })
        const victim = cluster.id(seed % nodes)
        cluster.crash(victim, how)
        const ms = cluster.msUntil(victim, 'dead', 10_000)
        assert.ok(ms !== null && ms <= limitMs, `${how}, seed ${seed}: ${ms} ms`)
      }
    }
  })
}

test('two members that fall silent together are both dead within 2.5 s, also to a lone survivor', () => {
  for (const nodes of [3, 5]) {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = settled({ nodes, seed })
      const victims = [cluster.id(0), cluster.id(1)]
      for (const victim of victims) cluster.crash(victim, 'silent')
      cluster.clock.advance(2500)
      const states = victims.map((victim) => cluster.statesOf(victim).join())
      assert.deepEqual(states, ['dead', 'dead'], `${nodes} members, seed ${seed}`)
    }
  }
})

test('a member that restarts under its old id is alive to all soon', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = settled({ nodes: 5, seed })
    const victim = cluster.id(seed % 5)
    cluster.crash(victim, 'silent')
    assert.notEqual(cluster.msUntil(victim, 'dead', 10_000), null)
    cluster.start(victim)
    const ms = cluster.msUntil(victim, 'alive', 10_000)
    assert.ok(ms !== null && ms <= 2000, `seed ${seed}: ${ms} ms`)
  }
})

test('both sides of a partition bury each other and find together again', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = settled({ nodes: 6, seed, connections: seed % 2 === 0 })
    const [one, two] = [cluster.ids.slice(0, 3), cluster.ids.slice(3)]
    cluster.network.partition(one, two)
    cluster.clock.advance(20_000)
    for (const { id, driver } of cluster.running) {
      const near = one.includes(id) ? one : two
      for (const member of driver.members()) {
        assert.equal(member.state, near.includes(member.id) ? 'alive' : 'dead', `seed ${seed}`)
      }
    }
    cluster.network.heal()
    cluster.clock.advance(10_000)
    for (const id of cluster.ids) assert.deepEqual(cluster.statesOf(id), ['alive'], `seed ${seed}`)
  }
})

test('a member that cannot receive is buried, and buries nobody for good', () => {
  const cluster = settled({ nodes: 5, seed: 3, connections: false })
  const deaf = cluster.id(2)
  cluster.member(deaf).host.datagrams.onPacket(() => {})
  cluster.clock.advance(20_000)
  assert.deepEqual(cluster.statesOf(deaf), ['dead'])
  for (const id of cluster.ids.filter((id) => id !== deaf)) {
    const others = cluster.running.filter((member) => member.id !== id && member.id !== deaf)
    for (const { driver } of others) {
      assert.notEqual(driver.members().find((member) => member.id === id)?.state, 'dead')
    }
  }
})

test('a goodbye is heard by all at once, and nobody takes it for a death', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = settled({ nodes: 10, seed, lossPercent: 5 })
    const leaver = cluster.id(4)
    const gone = cluster.member(leaver).driver.leave()
    cluster.clock.advance(400)
    await gone
    assert.deepEqual(cluster.statesOf(leaver), ['left'], `seed ${seed}`)
    cluster.crash(leaver, 'refused')
    cluster.clock.advance(5000)
    assert.deepEqual(deaths(cluster), [], `seed ${seed}`)
  }
})

test('whose packets a firewall drops lives on by its streams, and everybody who asks it says so', () => {
  const cluster = settled({ nodes: 6, seed: 9 })
  const walled = cluster.id(3)
  cluster.network.blockDatagrams(walled, true)
  cluster.clock.advance(30_000)
  assert.deepEqual(deaths(cluster), [])
  const reporters = (): number =>
    cluster.running.filter(({ id, driver }) => {
      const blocked = driver.members().filter(({ isUdpBlocked }) => isUdpBlocked === true)
      // Who is walled in cannot tell on which side the wall is.
      const expected = id === walled ? cluster.ids.filter((other) => other !== walled) : [walled]
      for (const { id: node } of blocked) assert.ok(expected.includes(node))
      return blocked.length > 0
    }).length
  assert.ok(reporters() >= 2, `${reporters()} say so`)

  // News reaches it, and it is missed, as if nothing were in the way.
  const victim = cluster.id(0)
  cluster.crash(victim, 'silent')
  assert.ok(cluster.msUntil(victim, 'dead', 10_000) !== null)
  cluster.network.blockDatagrams(walled, false)
  cluster.clock.advance(20_000)
  assert.equal(reporters(), 0)
  cluster.crash(walled, 'silent')
  const ms = cluster.msUntil(walled, 'dead', 10_000)
  assert.ok(ms !== null && ms <= 2500, `${ms} ms`)
})

test('a member of whom packets are dropped is found dead as fast as others', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = settled({ nodes: 5, seed })
    const walled = cluster.id(seed)
    cluster.network.blockDatagrams(walled, true)
    cluster.clock.advance(20_000)
    assert.deepEqual(cluster.statesOf(walled), ['alive'])
    cluster.crash(walled, 'silent')
    const ms = cluster.msUntil(walled, 'dead', 10_000)
    assert.ok(ms !== null && ms <= 2500, `seed ${seed}: ${ms} ms`)
  }
})

test('a link that is dead in one direction buries nobody', () => {
  const seen: string[] = []
  for (const connections of [true, false]) {
    let isHalfDead = false
    const cluster = settled({
      nodes: 5,
      seed: 4,
      connections,
      passes: (from, to) => !isHalfDead || from !== cluster.id(0) || to !== cluster.id(1),
    })
    isHalfDead = true
    cluster.clock.advance(60_000)
    assert.deepEqual(deaths(cluster), [], `connections: ${connections}`)
    for (const id of cluster.ids) seen.push(...cluster.statesOf(id))
  }
  assert.deepEqual([...new Set(seen)], ['alive'])
})

test('tables that packets could not agree on agree by comparing', async () => {
  const cluster = new MembershipCluster({ nodes: 20, seed: 5 })
  for (const id of cluster.ids) cluster.network.blockDatagrams(id, true)
  const moved = cluster.id(7)
  cluster.crash(moved, 'refused')
  cluster.start(moved, { address: '10.9.9.9:7946' })
  cluster.network.blockDatagrams(moved, true)
  const knows = ({ driver }: (typeof cluster.running)[number]): boolean =>
    driver.members().find(({ id }) => id === moved)?.meta.gossipAddress === '10.9.9.9:7946'
  assert.ok(await cluster.clock.runUntil(() => cluster.running.every(knows), 60_000, 100))
})

for (const clockMs of [0, -3_600_000]) {
  const how = clockMs === 0 ? '' : ', though its clock went back by an hour'
  test(`a member that comes back elsewhere is known there by all${how}`, () => {
    const cluster = settled({ nodes: 6, seed: 8, connections: false })
    const moved = cluster.id(2)
    cluster.crash(moved, 'silent')
    cluster.clock.advance(500)
    cluster.start(moved, { clockMs, address: '10.9.9.9:7946' })
    cluster.clock.advance(5000)
    assert.deepEqual(cluster.statesOf(moved), ['alive'])
    for (const { driver } of cluster.running) {
      const known = driver.members().find(({ id }) => id === moved)
      assert.equal(known?.meta.gossipAddress, '10.9.9.9:7946')
    }
  })
}
