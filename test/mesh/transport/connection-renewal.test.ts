import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { ConnectionRenewal, type Standing } from '../../../mesh/transport/connection-renewal.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const [self, peer, smaller] = ['bbb', 'ccc', 'aaa'].map(nodeId) as [never, never, never]

interface Line {
  readonly name: string
  standing: Standing
}

/** Connections to one node, and what became of them. */
function setUp(node: typeof peer, answers: boolean) {
  const clock = new FakeClock()
  const open: Line[] = [{ name: 'old', standing: 'good' }]
  const events: string[] = []
  const renewal = new ConnectionRenewal<Line>({
    self,
    clock,
    connections: () => new Map(open.length > 0 ? [[node, [...open]]] : []),
    standing: (line) => line.standing,
    dial: async () => {
      events.push('dial')
      if (answers) open.push({ name: 'new', standing: 'good' })
    },
    retire: ({ name }) => events.push(`retire ${name}`),
    close: (line) => {
      events.push(`close ${line.name}`)
      open.splice(open.indexOf(line), 1)
    },
  })
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) await clock.run(500)
  }
  return { open, events, pass, stop: () => renewal.stop() }
}

for (const standing of ['worn', 'refused'] as const) {
  test(`for a ${standing} connection there is a new one before it ends`, async () => {
    const { open, events, pass } = setUp(peer, true)
    await pass(10_000)
    assert.deepEqual(events, [])
    const [old] = open
    assert.ok(old !== undefined)
    old.standing = standing
    await pass(10_000)
    assert.deepEqual(events, ['dial', 'retire old', 'close old'])
    assert.deepEqual(
      open.map(({ name }) => name),
      ['new'],
    )
  })
}

test('whose certificate is refused, and who gets no other, is cut off', async () => {
  const { open, events, pass } = setUp(peer, false)
  const [old] = open
  assert.ok(old !== undefined)
  old.standing = 'worn'
  await pass(60_000)
  assert.ok(!events.includes('close old'), 'it is believed for a while yet')
  old.standing = 'refused'
  await pass(1500)
  assert.equal(events.at(-1), 'close old')
})

test('the node with the smaller id dials first', async () => {
  const { open, events, pass, stop } = setUp(smaller, true)
  const [old] = open
  assert.ok(old !== undefined)
  old.standing = 'worn'
  await pass(2500)
  assert.deepEqual(events, [])
  await pass(2000)
  assert.equal(events[0], 'dial')
  stop()
})
