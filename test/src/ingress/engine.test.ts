import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseEngine } from '../../../src/ingress/engine.ts'

test('only who asks for the ring gets it', () => {
  const asked: string[] = []
  const refusal = (): null => {
    asked.push('probed')
    return null
  }
  assert.equal(chooseEngine('auto', refusal).engine, 'net')
  assert.equal(chooseEngine('net', refusal).engine, 'net')
  assert.deepEqual(asked, [])
  assert.deepEqual(chooseEngine('ring', refusal), {
    engine: 'ring',
    because: 'asked for',
    isInstead: false,
  })
})

test('where there is no ring, the sockets of Node take over and say why', () => {
  const choice = chooseEngine('ring', () => 'io_uring_setup: EPERM')
  assert.deepEqual(choice, {
    engine: 'net',
    because: 'no ring: io_uring_setup: EPERM',
    isInstead: true,
  })
})
