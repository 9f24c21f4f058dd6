import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  decodeConfChange,
  encodeConfChange,
  encodeConfChangeV1,
  isLeaveJoint,
  wantsJoint,
} from '../../../mesh/raft/conf-change.ts'
import { noBytes } from '../../../mesh/raft/message.ts'
import type { ConfChange } from '../../../mesh/raft/types.ts'

const asLiteral = { noNullPrototype: true } as const

const single = fc.record(
  {
    kind: fc.constantFrom('add-node', 'remove-node', 'update-node', 'add-learner'),
    node: fc.maxSafeNat(),
  },
  asLiteral,
)

const confChange: fc.Arbitrary<ConfChange> = fc.record(
  {
    transition: fc.constantFrom('auto', 'joint-implicit', 'joint-explicit'),
    changes: fc.array(single, { maxLength: 5 }),
    context: fc.uint8Array({ maxLength: 300 }).map((context) => Uint8Array.from(context)),
  },
  asLiteral,
)

const read = (data: Uint8Array): ConfChange | null =>
  decodeConfChange({ kind: 'conf-change-v2', data })

const wants = (transition: ConfChange['transition'], changes: ConfChange['changes']): unknown =>
  wantsJoint({ transition, changes, context: noBytes })

test('a change comes back from its entry as it was', () => {
  fc.assert(
    fc.property(confChange, (change) => {
      const data = encodeConfChange(change)
      assert.deepEqual(read(data), change)
    }),
  )
})

test('a change of version 1 is a simple change of version 2', () => {
  fc.assert(
    fc.property(single, fc.uint8Array({ maxLength: 20 }), (change, bytes) => {
      const context = Uint8Array.from(bytes)
      const data = encodeConfChangeV1(change, context)
      const expected = { transition: 'auto', changes: [change], context }
      assert.deepEqual(decodeConfChange({ kind: 'conf-change', data }), expected)
    }),
  )
})

test('whatever bytes an entry holds, reading it ends in a change or in null', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
      for (const kind of ['conf-change', 'conf-change-v2'] as const) {
        const change = decodeConfChange({ kind, data })
        if (change !== null) for (const { node } of change.changes) assert.ok(node >= 0)
      }
    }),
  )
})

test('what is cut off or names an unknown kind is no change', () => {
  const changes = [{ kind: 'add-node' as const, node: 300 }]
  const data = encodeConfChange({ transition: 'auto', changes, context: noBytes })
  assert.equal(read(data.slice(0, -1)), null)
  assert.equal(read(Uint8Array.of(8, 7)), null)
  assert.equal(read(Uint8Array.of(18, 4, 8, 9, 16, 1)), null)
  assert.equal(decodeConfChange({ kind: 'normal', data }), null)
})

test('the bytes are those of etcd', () => {
  const changes = [{ kind: 'remove-node' as const, node: 300 }]
  const data = encodeConfChange({ transition: 'joint-explicit', changes, context: noBytes })
  assert.deepEqual([...data], [0x08, 2, 0x12, 5, 0x08, 1, 0x10, 0xac, 0x02])
})

test('no bytes at all are the way out of a joint configuration', () => {
  const change = decodeConfChange({ kind: 'conf-change-v2', data: noBytes })
  assert.ok(change !== null && isLeaveJoint(change))
})

test('a joint configuration is entered for more than one change, or when asked for', () => {
  const one = { kind: 'add-node' as const, node: 1 }
  const two = { kind: 'add-node' as const, node: 2 }
  assert.equal(wants('auto', [one]), null)
  assert.deepEqual(wants('auto', [one, two]), { autoLeave: true })
  assert.deepEqual(wants('joint-implicit', [one]), { autoLeave: true })
  assert.deepEqual(wants('joint-explicit', [one]), { autoLeave: false })
})
