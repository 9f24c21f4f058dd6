import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Arena, slabBytes } from '../../../src/kernel/arena.ts'
import { nativeCalls } from '../../../src/kernel/calls.ts'

const calls = process.platform === 'linux' ? nativeCalls() : null

function made(): Arena {
  assert.ok(calls !== null)
  return new Arena(calls, 4)
}

describe('Arena', { skip: calls === null }, () => {
  test('hands out each slab once, and says when there is none', () => {
    const arena = made()
    const taken = [arena.take(), arena.take(), arena.take(), arena.take()]
    assert.equal(new Set(taken).size, 4)
    assert.equal(arena.take(), null)
    assert.equal(arena.free, 0)
  })

  test('a slab given back twice is a bug', () => {
    const arena = made()
    const slab = arena.take() ?? -1
    arena.give(slab)
    assert.throws(() => arena.give(slab), /given back once/)
    assert.throws(() => arena.view(slab), /while it is held/)
    assert.throws(() => arena.address(slab, 0, 1), /while it is held/)
  })

  test('no part reaches beyond its slab', () => {
    const arena = made()
    const slab = arena.take() ?? -1
    assert.doesNotThrow(() => arena.address(slab, 0, slabBytes))
    assert.throws(() => arena.address(slab, 1, slabBytes), /lies in its slab/)
    assert.throws(() => arena.address(slab, -1, 1), /lies in its slab/)
  })

  test('bytes of an emptied arena can still be looked at', () => {
    const arena = made()
    const view = arena.view(arena.take() ?? -1)
    view[0] = 7
    arena.empty()
    assert.equal(view[0], 0)
  })
})
