import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import type { MemberAddress, MeshPolicy } from '../../../mesh/catalog/policy.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import { Roster } from '../../../mesh/node/roster.ts'

const member = (name: string): MemberAddress => ({
  node: nodeId(name.padEnd(25, '0')),
  name,
  role: 'manager',
  peerId: `peer of ${name}`,
  gossipAddress: '',
  controlAddress: '',
  dataPathAddress: '',
})

const [one, two, late] = ['one', 'two', 'late'].map(member) as [
  MemberAddress,
  MemberAddress,
  MemberAddress,
]
let members: readonly MemberAddress[] = []
const policy = { members: () => members } as unknown as MeshPolicy
const catalog = new CatalogView()
const admits = (roster: Roster, { node, peerId }: MemberAddress): boolean =>
  roster.isMember(node, peerId)

test('a newcomer without a catalog believes every certificate of the cluster', () => {
  assert.ok(admits(new Roster(policy, []), late))
})

test('a node that hears the leader knows exactly whom its catalog names', () => {
  const roster = new Roster(policy, [])
  members = [one, two]
  roster.update(catalog)
  assert.ok(roster.followLeader(one.node))
  assert.ok(admits(roster, two))
  assert.ok(!admits(roster, late))
  assert.ok(!roster.isMember(two.node, 'another peer'))
})

test('a node that was away lets in a leader that joined meanwhile, until it is up to date', () => {
  const roster = new Roster(policy, [])
  members = [one, two]
  roster.update(catalog)
  roster.followLeader(one.node)
  roster.followLeader(null)
  assert.ok(admits(roster, late))
  assert.ok(!roster.isMember(two.node, 'another peer'), 'a known node has its own key')
  assert.ok(!roster.followLeader(late.node), 'a leader that is not in the catalog proves nothing')
  assert.ok(admits(roster, late))
  members = [one, two, late]
  roster.update(catalog)
  assert.ok(roster.followLeader(late.node), 'now its word is strict again')
  assert.ok(admits(roster, late))
})

test('a removed node stays out, leader or not', () => {
  const roster = new Roster(policy, [])
  members = [one, two]
  roster.update(catalog)
  members = [one]
  assert.deepEqual(roster.update(catalog)?.removed, [two.node])
  roster.followLeader(null)
  assert.ok(!admits(roster, two))
})
