import { noBytes } from './message.ts'
import { readVarint, writeVarint } from './varint.ts'
import type { ConfChange, ConfChangeKind, ConfChangeSingle, Entry } from './types.ts'

/**
 * Conf changes as entry data: the protobuf of etcd's ConfChange (version 1, a single change) and
 * ConfChangeV2. The empty entry is the empty change, the way out of a joint configuration.
 */

const kinds: readonly ConfChangeKind[] = ['add-node', 'remove-node', 'update-node', 'add-learner']
const transitions: readonly ConfChange['transition'][] = [
  'auto',
  'joint-implicit',
  'joint-explicit',
]

export const isLeaveJoint = (change: ConfChange): boolean =>
  change.transition === 'auto' && change.changes.length === 0

/** Null when one step will do; else whether the joint configuration is left without being asked. */
export function wantsJoint(change: ConfChange): { readonly autoLeave: boolean } | null {
  if (change.transition === 'auto' && change.changes.length <= 1) return null
  return { autoLeave: change.transition !== 'joint-explicit' }
}

export function encodeConfChange(change: ConfChange): Uint8Array {
  const bytes: number[] = []
  writeNumber(bytes, 1, transitions.indexOf(change.transition))
  for (const { kind, node } of change.changes) {
    const single: number[] = []
    writeNumber(single, 1, kinds.indexOf(kind))
    writeNumber(single, 2, node)
    writeBytes(bytes, 2, single)
  }
  if (change.context.length > 0) writeBytes(bytes, 3, change.context)
  return Uint8Array.from(bytes)
}

/** For nodes that know only version 1; the product does not write it. */
export function encodeConfChangeV1(change: ConfChangeSingle, context: Uint8Array): Uint8Array {
  const bytes: number[] = []
  writeNumber(bytes, 2, kinds.indexOf(change.kind))
  writeNumber(bytes, 3, change.node)
  if (context.length > 0) writeBytes(bytes, 4, context)
  return Uint8Array.from(bytes)
}

/** The change that an entry carries; null when it carries none, or one that cannot be read. */
export function decodeConfChange(entry: Pick<Entry, 'kind' | 'data'>): ConfChange | null {
  if (entry.kind === 'normal') return null
  const fields = readFields(entry.data)
  if (fields === null) return null
  return entry.kind === 'conf-change' ? fromV1(fields) : fromV2(fields)
}

interface Field {
  readonly tag: number
  readonly value: number | Uint8Array
}

function fromV1(fields: readonly Field[]): ConfChange | null {
  const change = toSingle(numberOf(fields, 2), numberOf(fields, 3))
  if (change === null) return null
  return { transition: 'auto', changes: [change], context: bytesOf(fields, 4) }
}

function fromV2(fields: readonly Field[]): ConfChange | null {
  const transition = transitions[numberOf(fields, 1)]
  if (transition === undefined) return null
  const changes: ConfChangeSingle[] = []
  for (const { tag, value } of fields) {
    if (tag !== 2) continue
    const single = typeof value === 'number' ? null : readFields(value)
    const change = single && toSingle(numberOf(single, 1), numberOf(single, 2))
    if (change === null) return null
    changes.push(change)
  }
  return { transition, changes, context: bytesOf(fields, 3) }
}

function toSingle(kindNumber: number, node: number): ConfChangeSingle | null {
  const kind = kinds[kindNumber]
  return kind === undefined ? null : { kind, node }
}

const varintType = 0
const bytesType = 2

function writeNumber(into: number[], tag: number, value: number): void {
  writeVarint(into, tag * 8 + varintType)
  writeVarint(into, value)
}

function writeBytes(into: number[], tag: number, value: ArrayLike<number>): void {
  writeVarint(into, tag * 8 + bytesType)
  writeVarint(into, value.length)
  for (let at = 0; at < value.length; at++) into.push(value[at] ?? 0)
}

function readFields(bytes: Uint8Array): Field[] | null {
  const fields: Field[] = []
  let at = 0
  while (at < bytes.length) {
    const key = readVarint(bytes, at)
    const first = key && readVarint(bytes, key.end)
    if (key === null || first === null) return null
    const tag = Math.floor(key.value / 8)
    switch (key.value % 8) {
      case varintType:
        fields.push({ tag, value: first.value })
        at = first.end
        break
      case bytesType:
        at = first.end + first.value
        if (at > bytes.length) return null
        fields.push({ tag, value: bytes.slice(first.end, at) })
        break
      default:
        return null
    }
  }
  return fields
}

/** An absent number is 0, and so is one that is no number: the reader refuses it by its meaning. */
function numberOf(fields: readonly Field[], tag: number): number {
  const value = fields.findLast((field) => field.tag === tag)?.value
  return typeof value === 'number' ? value : 0
}

function bytesOf(fields: readonly Field[], tag: number): Uint8Array {
  const value = fields.findLast((field) => field.tag === tag)?.value
  return value instanceof Uint8Array ? value : noBytes
}
