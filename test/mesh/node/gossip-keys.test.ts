import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MemberState } from '../../../mesh/membership/types.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { eventually } from '../../support/daemon.ts'
import { RealNodes } from './real-nodes.ts'

test('the key of the gossip changes in three steps, and not one packet is lost by it', async () => {
  await using nodes = new RealNodes('127.2.52')
  const manager = await nodes.found()
  const worker = await nodes.join(2, 'worker')
  const away = await nodes.join(3, 'worker')
  const all = [manager, worker]
  const ringOf = (number: number): readonly string[] => {
    const file = readFileSync(join(nodes.dir, String(number), 'members.json'), 'utf8')
    return (JSON.parse(file) as { gossipKeys: string[] }).gossipKeys
  }
  const [old] = ringOf(1)
  assert.ok(old !== undefined)
  await eventually('the worker is fed', 5000, () => worker.view.list('node').length === 3)
  await away.stop()

  const states = new Set<MemberState>()
  for (const { node } of all) {
    node.watchMembers((members) => {
      for (const { id, state } of members) if (id !== away.node.self) states.add(state)
    })
  }
  const refusedBefore = all.map(({ node }) => node.packets.refused)
  assert.equal((await manager.node.changeGossipKey()).kind, 'applied')
  const rings: number[] = []
  for (const length of [2, 2, 1]) {
    await eventually(`the ring of step ${rings.length + 1} is with all`, 15_000, () => {
      const known = all.map(({ view }) => meshPolicy.gossipKeys(view)?.join())
      const isNext = meshPolicy.gossipKeys(worker.view)?.length === length
      const isTold = known[0] === known[1] && ringOf(1).join() === known[0]
      const isFresh = rings.length !== 1 || ringOf(2)[0] !== old
      return isNext && isTold && isFresh && ringOf(2).join() === known[0]
    })
    rings.push(length)
    const sent = worker.node.packets.received
    await eventually('they go on gossiping', 5000, () => worker.node.packets.received > sent + 4)
    // As if so much time had passed: the next step is due.
    nodes.offsetMs += 20_000
  }
  assert.ok(ringOf(1).length === 1 && ringOf(1)[0] !== old)
  const refused = all.map(({ node }, at) => node.packets.refused - (refusedBefore[at] ?? 0))
  assert.deepEqual(refused, [0, 0])
  assert.deepEqual([...states], ['alive'])

  // Who was away for all of it is let in by the streams, and told the new key.
  assert.deepEqual(ringOf(3), [old])
  const returned = await nodes.start(3)
  await eventually('it has the new key', 10_000, () => ringOf(3).join() === ringOf(1).join())
  const heard = returned.node.packets.received
  await eventually('it gossips', 5000, () => returned.node.packets.received > heard + 4)
})
