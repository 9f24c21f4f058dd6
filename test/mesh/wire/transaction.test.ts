import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Transaction } from '../../../mesh/catalog/types.ts'
import { decodeFeedMessage, encodeFeedMessage } from '../../../mesh/wire/catalog-feed-message.ts'
import { isRefused } from '../../../mesh/wire/frames.ts'
import {
  decodeProposeReply,
  decodeTransaction,
  encodeProposeReply,
  encodeTransaction,
} from '../../../mesh/wire/transaction.ts'

const object = {
  kind: 'service',
  id: 'a',
  claims: ['name/a'],
  body: { deep: [1, null, { x: '' }] },
}
const ref = { kind: 'service', id: 'a' }

const transaction: Transaction = {
  request: 'r',
  atMs: 12.5,
  changes: [
    { kind: 'create', object },
    { kind: 'update', object: { ...object, body: null }, ifVersion: 3 },
    { kind: 'delete', ref, ifVersion: null },
  ],
}

test('a transaction comes out as it went in', () => {
  assert.deepEqual(decodeTransaction(encodeTransaction(transaction)), transaction)
})

test('fields that this version does not know are ignored', () => {
  const newer = Buffer.from(JSON.stringify({ ...transaction, later: true }))
  assert.deepEqual(decodeTransaction(newer), transaction)
})

function refused(value: unknown): string {
  const decoded = decodeTransaction(Buffer.from(JSON.stringify(value)))
  return isRefused(decoded) ? decoded.refused : 'accepted'
}

test('what is no transaction is refused with the place of the fault', () => {
  assert.match(refused({ ...transaction, atMs: 'now' }), /^atMs/)
  assert.match(refused({ ...transaction, changes: [{ kind: 'rename' }] }), /^changes\.0/)
  const bodiless = { kind: 'service', id: 'a', claims: [] }
  const without = { kind: 'create', object: bodiless }
  assert.match(refused({ ...transaction, changes: [without] }), /body/)
})

test('replies and feed messages come out as they went in', () => {
  const refusal = { code: 'catalog/claim-taken', claim: 'name/a', holder: ref } as const
  const reply = { kind: 'done', result: { kind: 'refused', index: 9, refusal } } as const
  assert.deepEqual(decodeProposeReply(encodeProposeReply(reply)), reply)
  const stored = { ...object, version: 4, createdAtMs: 1, updatedAtMs: 2 }
  const part = {
    kind: 'part',
    index: 4,
    reset: true,
    upserts: [stored],
    removals: [ref],
    isLast: false,
  } as const
  assert.deepEqual(decodeFeedMessage(encodeFeedMessage(part)), part)
})

test('no bytes make a decoder throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (frame) => {
        decodeTransaction(frame)
        decodeProposeReply(frame)
        decodeFeedMessage(frame)
      },
    ),
  )
})

function withBodyOf(levels: number): Uint8Array {
  const body = `${'{"1":'.repeat(levels)}0${'}'.repeat(levels)}`
  const change = JSON.stringify({ kind: 'create', object: { ...object, body: 0 } })
  const text = change.replace('"body":0', `"body":${body}`)
  return Buffer.from(`{"request":"r","atMs":0,"changes":[${text}]}`)
}

test('a body nested so deep that walking it would run out of stack is refused', () => {
  assert.ok(!isRefused(decodeTransaction(withBodyOf(90))))
  const decoded = decodeTransaction(withBodyOf(20_000))
  assert.ok(isRefused(decoded))
  assert.match(decoded.refused, /^changes\.0\.object\.body: must not be nested deeper/)
})
