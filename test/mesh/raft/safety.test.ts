import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noBytes } from '../../../mesh/raft/message.ts'
import { bytes, RaftNetwork } from './raft-network.ts'

const seeds = 40
const ticks = 150

/** One bad tick: somebody crashes or returns, is cut off or heard again, or forgets its log. */
function disturb(network: RaftNetwork): void {
  const ids = [...network.nodes.keys()]
  const victim = network.at(ids[network.random.below(ids.length)] ?? 1)
  switch (network.random.below(24)) {
    case 0:
      victim.isUp = false
      return
    case 1:
    case 2:
      if (!victim.isUp) victim.restart()
      return
    case 3:
      network.isolate(victim.id)
      return
    case 4:
      network.heal()
      network.lossPercent = 20
      return
    case 5:
      if (victim.isUp) victim.compact()
      return
    case 6:
      if (victim.isUp) victim.node.transferLeader(ids[network.random.below(ids.length)] ?? 1)
      return
    default:
  }
}

/** How much they agreed on. The network itself checks: one leader a term, and nobody applies anything else than others. */
function runSeed(seed: number, disturbAlso: (network: RaftNetwork) => void): number {
  const network = new RaftNetwork({ voters: [1, 2, 3, 4, 5], seed })
  network.lossPercent = 20
  for (let tick = 0; tick < ticks; tick++) {
    disturb(network)
    disturbAlso(network)
    const proposer = network.up[network.random.below(Math.max(1, network.up.length))]
    proposer?.node.propose(bytes(`${seed}/${tick}`))
    network.tick()
  }
  network.heal()
  for (const node of network.nodes.values()) if (!node.isUp) node.restart()
  network.commit(`${seed}/end`)
  const [first, ...others] = network.up
  for (const other of others) assert.deepEqual(other.applied, first?.applied, `seed ${seed}`)
  return first?.applied.length ?? 0
}

test('whatever is lost, cut off or crashed, all apply the same, and go on once it heals', () => {
  let agreed = 0
  for (let seed = 1; seed <= seeds; seed++) agreed += runSeed(seed, () => {})
  assert.ok(agreed > seeds * 20, `only ${agreed} commands in ${seeds} seeds`)
})

test('the same holds while the membership changes all the time', () => {
  let agreed = 0
  for (let seed = 1; seed <= seeds; seed++) {
    agreed += runSeed(seed + 1000, (network) => {
      const leader = network.up.find(({ node }) => node.status().role === 'leader')
      if (leader === undefined || network.random.below(4) > 0) return
      const node = 2 + network.random.below(4)
      const kinds = ['add-node', 'add-learner'] as const
      const changes = [
        { kind: kinds[network.random.below(2)] ?? 'add-node', node },
        { kind: 'add-node' as const, node: 2 + network.random.below(4) },
      ]
      leader.node.proposeConfChange({ transition: 'auto', changes, context: noBytes })
    })
  }
  assert.ok(agreed > seeds * 20, `only ${agreed} commands in ${seeds} seeds`)
})
