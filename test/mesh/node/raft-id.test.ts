import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawId, nodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { nextRaftId, raftIdOf, raftIdsOf } from '../../../mesh/node/raft-id.ts'
import { RaftPeers } from '../../../mesh/node/raft-peers.ts'

const random = new SeededRandom(5)
const draw = () => nodeId(drawId(random))

test('every promotion gives a number that the node never had, until they are used up', () => {
  const node = draw()
  const lives = [raftIdOf(node)]
  for (let next = nextRaftId(node, lives[0] ?? 0); next !== null; next = nextRaftId(node, next)) {
    lives.push(next)
  }
  assert.equal(lives.length, 25)
  assert.equal(new Set(lives).size, 25)
  assert.deepEqual(lives, raftIdsOf(node))
  assert.ok(lives.every((id) => id > 0 && Number.isSafeInteger(id)))
})

test('a number leads to its node in every life, and each node is told of once', () => {
  const peers = new RaftPeers()
  const nodes = [draw(), draw()] as const
  for (const node of nodes) for (const id of raftIdsOf(node)) assert.ok(peers.isIdOf(node, id))
  assert.ok(!peers.isIdOf(nodes[0], raftIdOf(nodes[1])))
  assert.deepEqual(peers.known(), [...nodes].sort())
  const [first = 0, second = 0] = raftIdsOf(nodes[0])
  const members = { voters: [first], votersOutgoing: [], learners: [second], learnersNext: [] }
  assert.deepEqual(peers.idsIn({ ...members, autoLeave: false }, nodes[0]), [first, second])
  assert.deepEqual(peers.idsIn({ ...members, autoLeave: false }, nodes[1]), [])
})
