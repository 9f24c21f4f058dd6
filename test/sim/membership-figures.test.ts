/**
 * A hundred members, and what the papers promise: SWIM's times of detection and of spreading beside
 * their formulas, what gossip costs when nothing happens, and whom slow members drag down with them
 * (the setting of Lifeguard's paper: a tenth of them stand still again and again).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../mesh/base/ids.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import { lanDefaults, type MembershipOptions } from '../../mesh/membership/options.ts'
import { suspicionMinMs } from '../../mesh/membership/suspicion.ts'
import type { MemberState } from '../../mesh/membership/types.ts'
import { MembershipCluster } from './membership-cluster.ts'

const nodes = 100
/** Of IPv4 and UDP. */
const headerBytes = 28

function settled(seed: number, membership?: Partial<MembershipOptions>): MembershipCluster {
  const cluster = new MembershipCluster({
    ...{ nodes, seed, connections: false },
    ...(membership !== undefined && { membership }),
  })
  cluster.clock.advance(3000)
  cluster.sightings.length = 0
  return cluster
}

const percentile = (sorted: readonly number[], percent: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN

function described(values: readonly number[]): string {
  const sorted = values.toSorted((left, right) => left - right)
  const figures = [50, 95, 99].map((percent) => `p${percent} ${percentile(sorted, percent)}`)
  return `${figures.join(', ')}, most ${sorted.at(-1)} ms`
}

/** When this state of that member was first, and when last, seen by anybody. */
function seen(cluster: MembershipCluster, of: NodeId, state: string): number[] {
  return cluster.sightings
    .filter((sighting) => sighting.of === of && sighting.state === state)
    .map(({ atMs }) => atMs)
    .toSorted((left, right) => left - right)
}

test('a silent one of a hundred is found and known of in the times of the formulas', (t) => {
  const cluster = settled(1)
  const suspected: number[] = []
  const found: number[] = []
  const spread: number[] = []
  const known: number[] = []
  for (let round = 0; round < 6; round++) {
    const victim = cluster.id((round * 37) % nodes)
    cluster.sightings.length = 0
    const crashedAtMs = cluster.clock.monotonicMs()
    cluster.crash(victim, 'silent')
    cluster.clock.advance(3500)
    assert.deepEqual(cluster.statesOf(victim), ['dead'])
    const deaths = seen(cluster, victim, 'dead')
    const [firstMs = Number.NaN] = deaths
    suspected.push((seen(cluster, victim, 'suspect')[0] ?? Number.NaN) - crashedAtMs)
    found.push(firstMs - crashedAtMs)
    spread.push(...deaths.map((atMs) => atMs - firstMs))
    known.push(...deaths.map((atMs) => atMs - crashedAtMs))
    cluster.start(victim)
    cluster.clock.advance(1000)
  }
  const { probePeriodMs, suspicionMult: mult, gossipPeriodMs, gossipFanout } = lanDefaults
  const firstProbeMs = probePeriodMs / (1 - (1 - 1 / (nodes - 1)) ** (nodes - 1))
  const minMs = suspicionMinMs({ mult, probePeriodMs, members: nodes })
  const rounds = Math.log((nodes + 1) * 9999) / (0.5 * gossipFanout)
  const spreadMs = rounds * gossipPeriodMs
  const say = (what: string, values: readonly number[], formulaMs: number): void =>
    t.diagnostic(`${what}: ${described(values)}; formula ${Math.round(formulaMs)} ms`)
  say('suspected (first probe and its round)', suspected, firstProbeMs + probePeriodMs)
  say('found dead (and the shortest suspicion)', found, firstProbeMs + probePeriodMs + minMs)
  say('spread of that (to 99.99 %)', spread, spreadMs)
  say('known to each', known, firstProbeMs + probePeriodMs + minMs + spreadMs)
  const sorted = known.toSorted((left, right) => left - right)
  assert.ok(percentile(sorted, 50) <= firstProbeMs + probePeriodMs + minMs + spreadMs)
  assert.ok((sorted.at(-1) ?? Infinity) <= 2 * (firstProbeMs + probePeriodMs + minMs))
})

test('gossip costs a node of a hundred at most 3 kB a second when nothing happens', (t) => {
  const cluster = settled(2)
  // What the start has to tell is told.
  cluster.clock.advance(4000)
  cluster.sentBytes = 0
  cluster.sentPackets = 0
  const seconds = 10
  cluster.clock.advance(seconds * 1000)
  const perNode = cluster.sentBytes / nodes / seconds
  const onTheWire = perNode + (cluster.sentPackets * headerBytes) / nodes / seconds
  const packets = cluster.sentPackets / nodes / seconds
  t.diagnostic(
    `${packets.toFixed(1)} packets, ${perNode.toFixed(0)} bytes a second and node; ` +
      `${onTheWire.toFixed(0)} with the headers of IP and UDP`,
  )
  assert.ok(onTheWire <= 3000, `${onTheWire} B/s`)
})

/** Plain SWIM: no local health, one suspicion for all, and no pardon for one's own standstill. */
const plainSwim: Partial<MembershipOptions> = {
  healthLevels: 1,
  suspicionMaxMult: 1,
  confirmationsWanted: 0,
  stallToleranceMs: Infinity,
}

interface Accused {
  readonly suspected: number
  readonly buried: number
}

/**
 * A tenth of the members stand still for long, run for a moment, stand still again: what anybody
 * held against the others, who are well.
 */
function accusedOfTheWell(membership: Partial<MembershipOptions> | undefined): Accused {
  const cluster = settled(3, membership)
  const random = new SeededRandom(11)
  const slow = new Set(cluster.ids.filter((_, at) => at % 10 === 0))
  for (const id of slow) {
    const stall = (): void => {
      const pauseMs = 1500 + random.below(1500)
      cluster.pause(id, pauseMs)
      cluster.clock.after(pauseMs + 2 + random.below(8), stall)
    }
    cluster.clock.after(random.below(1500), stall)
  }
  cluster.clock.advance(12_000)
  const held = (state: MemberState): number =>
    cluster.sightings.filter((one) => one.state === state && !slow.has(one.of)).length
  return { suspected: held('suspect'), buried: held('dead') }
}

test('slow members drag no healthy one down, as they would without Lifeguard', (t) => {
  const without = accusedOfTheWell(plainSwim)
  const within = accusedOfTheWell(undefined)
  const say = (how: string, { suspected, buried }: Accused): void =>
    t.diagnostic(
      `${how} Lifeguard: healthy members suspected ${suspected} times, buried ${buried} times`,
    )
  say('without', without)
  say('with', within)
  assert.ok(without.suspected >= 50, 'the setting is such that many must be accused')
  assert.ok(within.suspected * 20 <= without.suspected)
  assert.equal(within.buried, 0)
})
