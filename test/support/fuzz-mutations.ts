import type { Random } from '../../mesh/base/random.ts'

const lengthMax = 256 * 1024
const changesMax = 6

/** One input: usually a valid one with a few things wrong, sometimes nothing but noise. */
export function mutate(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  if (corpus.length === 0 || random.below(16) === 0) return noise(random, random.below(300))
  let bytes: Uint8Array = Buffer.from(pick(corpus, random))
  // Mostly one: after several, little is left for the inner parts of a decoder to look at.
  const changes = 1 + random.below(1 + random.below(changesMax))
  for (let change = 0; change < changes; change++) {
    bytes = pick(mutations, random)(bytes, { corpus, random })
    if (bytes.length > lengthMax) bytes = bytes.subarray(0, lengthMax)
  }
  return bytes
}

interface Source {
  readonly corpus: readonly Uint8Array[]
  readonly random: Random
}

type Mutation = (bytes: Uint8Array, source: Source) => Uint8Array

const mutations: readonly Mutation[] = [
  flipBit,
  setByte,
  setNumber,
  insertNoise,
  removeRange,
  repeatRange,
  cut,
  splice,
  (bytes, { random }) => mutateJson(bytes, random),
  (bytes, { random }) => mutateJson(bytes, random),
]

function flipBit(bytes: Uint8Array, { random }: Source): Uint8Array {
  if (bytes.length === 0) return bytes
  const at = random.below(bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  return bytes
}

const telling = [0, 1, 0x0a, 0x20, 0x22, 0x5b, 0x7b, 0x7f, 0x80, 0xc0, 0xfe, 0xff]

function setByte(bytes: Uint8Array, { random }: Source): Uint8Array {
  if (bytes.length > 0) bytes[random.below(bytes.length)] = pick(telling, random)
  return bytes
}

/** Writes a number as lengths and counts are written, at any place. */
function setNumber(bytes: Uint8Array, { random }: Source): Uint8Array {
  if (bytes.length < 4) return bytes
  const numbers = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, bytes.length, bytes.length - 4]
  const at = random.below(bytes.length - 3)
  const number = (pick(numbers, random) + random.below(3)) >>> 0
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, number)
  return bytes
}

function insertNoise(bytes: Uint8Array, { random }: Source): Uint8Array {
  const at = random.below(bytes.length + 1)
  const length = random.below(20) === 0 ? random.below(20_000) : random.below(20)
  return Buffer.concat([bytes.subarray(0, at), noise(random, length), bytes.subarray(at)])
}

function removeRange(bytes: Uint8Array, { random }: Source): Uint8Array {
  const [from, to] = range(bytes, random)
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
}

function repeatRange(bytes: Uint8Array, { random }: Source): Uint8Array {
  const [from, to] = range(bytes, random)
  const times = random.below(20) === 0 ? 1 + random.below(400) : 1 + random.below(4)
  const part = bytes.subarray(from, to)
  const copies = Array.from({ length: times }, () => part)
  return Buffer.concat([bytes.subarray(0, to), ...copies, bytes.subarray(to)])
}

function cut(bytes: Uint8Array, { random }: Source): Uint8Array {
  return bytes.subarray(0, random.below(bytes.length + 1))
}

function splice(bytes: Uint8Array, { corpus, random }: Source): Uint8Array {
  const other = pick(corpus, random)
  const head = bytes.subarray(0, random.below(bytes.length + 1))
  return Buffer.concat([head, other.subarray(random.below(other.length + 1))])
}

function range(bytes: Uint8Array, random: Random): [number, number] {
  const from = random.below(bytes.length + 1)
  const length = random.below(Math.min(64, bytes.length - from) + 1)
  return [from, from + length]
}

const awkward = [
  ...['null', 'true', 'false', '0', '-0', '-1', '1.5', '1e21', '1e999', '9007199254740993'],
  ...['4294967296', '""', '[]', '{}', '"\\ud800"', '"\\u0000"', '{"__proto__":{"a":1}}'],
  ...['{"constructor":{"prototype":1}}', '{"toJSON":1}', '{"length":-1}', '[[[[1]]]]'],
]

/** Bytes that hold JSON, perhaps behind a header: one value of it becomes another one. */
export function mutateJson(bytes: Uint8Array, random: Random): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const starts = [...text.matchAll(/[[:,]/g)].map(({ index }) => index + 1)
  if (starts.length === 0) return bytes
  const from = pick(starts, random)
  const end = text.slice(from).search(/[,\]}]/)
  const to = end < 0 || random.below(4) === 0 ? from : from + end
  return Buffer.from(text.slice(0, from) + awkwardValue(random) + text.slice(to), 'latin1')
}

function awkwardValue(random: Random): string {
  switch (random.below(12)) {
    case 0:
      return nested(random, 1 + random.below(40))
    case 1:
      return random.below(8) === 0 ? nested(random, 1 + random.below(20_000)) : 'null'
    case 2:
      return `"${'x'.repeat(random.below(random.below(8) === 0 ? 40_000 : 300))}"`
    case 3:
      return `[${Array.from({ length: random.below(200) }, () => pick(awkward, random)).join(',')}]`
    default:
      return pick(awkward, random)
  }
}

const brackets = [
  ['[', ']'],
  ['{"a":', '}'],
  // These two take JSON.stringify off its quick way, which alone needs no stack.
  ['{"1":', '}'],
  ['{"toJSON":', '}'],
] as const

function nested(random: Random, levels: number): string {
  const [open, close] = pick(brackets, random)
  return `${open.repeat(levels)}1${close.repeat(levels)}`
}

export function noise(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256))
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[random.below(items.length)] as T
}
