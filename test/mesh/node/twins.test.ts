import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { Twins } from '../../../mesh/node/twins.ts'
import { eventually } from '../../support/daemon.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RealNodes } from './real-nodes.ts'

test('a copy of a node that runs is refused, and a node that moved is not', async () => {
  await using nodes = new RealNodes('127.0.52')
  await nodes.found()
  const original = await nodes.join(2, 'worker')
  await eventually('node 2 knows where it is', 5000, () => original.view.list('node').length === 2)
  await original.stop()
  await nodes.start(2)
  const copy = (to: number): void =>
    cpSync(join(nodes.dir, '2'), join(nodes.dir, String(to)), { recursive: true })
  copy(3)
  await assert.rejects(nodes.start(3), (error) => isFault(error, 'membership/identity-in-use'))
  await nodes.get(2).stop()
  copy(4)
  const moved = await nodes.start(4)
  assert.equal(moved.node.self, original.node.self)
})

for (const { known, stays } of [
  { known: 'a:1', stays: true },
  { known: 'b:1', stays: false },
  { known: 'z:1', stays: true },
]) {
  test(`of two copies that meet, that at a:1 ${stays ? 'stays' : 'goes'} when the node is known at ${known}`, () => {
    const ended: Error[] = []
    const said: string[] = []
    const twins = new Twins({
      self: nodeId('n'.repeat(25)),
      address: 'a:1',
      knownAddress: () => known,
      clock: new FakeClock(),
      log: { ...silentLog, error: (_, message) => said.push(message) },
      fatal: (error) => ended.push(error),
    })
    for (let time = 0; time < 5; time++) twins.found('b:1')
    assert.equal(said.length, stays ? 1 : 0)
    assert.equal(ended.length > 0, !stays)
  })
}
