import assert from 'node:assert/strict'
import { getHeapStatistics } from 'node:v8'
import { SeededRandom, type Random } from '../../mesh/base/random.ts'
import { isRefused } from '../../mesh/wire/frames.ts'
import { mutate } from './fuzz-mutations.ts'

/** A decoder under fire. */
export interface FuzzTarget {
  readonly name: string
  /** Valid inputs, from which most others are made. */
  readonly corpus: readonly Uint8Array[]
  /**
   * Decodes and answers whether it was accepted; throws when something is wrong with the decoder.
   * Whatever it draws must come from `random`.
   */
  readonly decode: (bytes: Uint8Array, random: Random) => boolean
  /** Further ways to make an input, for formats whose lengths and checksums must fit. */
  readonly make?: (random: Random) => Uint8Array
}

export interface FuzzReport {
  readonly inputs: number
  readonly accepted: number
  /** The slowest decoding by the wall clock, which others on the machine make slower. */
  readonly slowestMs: number
  /** The most that one decoding allocated, on the average of those beside it. */
  readonly allocatedBytesMax: number
}

const cpuLimitMs = 50
const batchSize = 16
/** A decoder may make objects of what it reads, some of them more than once; not more than that. */
const allocationFactor = 400
const allocationFloorBytes = 4 * 1024 * 1024

/** Decodes `inputs` inputs that follow from the seed; throws with the first that does harm. */
export function fuzz(target: FuzzTarget, inputs: number, seed = 1): FuzzReport {
  const random = new SeededRandom(seed)
  for (const bytes of target.corpus) {
    if (target.decode(bytes, random)) continue
    throw new Error(`${target.name}: not accepted, though it is valid: ${show(bytes)}`)
  }
  const totals = { accepted: 0, slowestMs: 0, allocatedBytesMax: 0 }
  for (let done = 0; done < inputs; done += batchSize) {
    const batch = Array.from({ length: Math.min(batchSize, inputs - done) }, () =>
      inputFor(target, random),
    )
    runBatch(target, batch, { random, totals })
  }
  return { inputs, ...totals }
}

function inputFor(target: FuzzTarget, random: Random): Uint8Array {
  if (target.make !== undefined && random.below(3) === 0) return target.make(random)
  return mutate(target.corpus, random)
}

interface Totals {
  accepted: number
  slowestMs: number
  allocatedBytesMax: number
}

function runBatch(
  target: FuzzTarget,
  batch: readonly Uint8Array[],
  { random, totals }: { readonly random: Random; readonly totals: Totals },
): void {
  const before = allocatedBytes()
  for (const bytes of batch) {
    const startedMs = performance.now()
    if (decodeOrTell(target, bytes, random)) totals.accepted++
    const tookMs = performance.now() - startedMs
    totals.slowestMs = Math.max(totals.slowestMs, tookMs)
    if (tookMs > cpuLimitMs) refuseSlowness(target, bytes)
  }
  const allocated = allocatedBytes() - before
  totals.allocatedBytesMax = Math.max(totals.allocatedBytesMax, allocated / batch.length)
  const inputBytes = batch.reduce((sum, bytes) => sum + bytes.length, 0)
  if (allocated > allocationFloorBytes + allocationFactor * inputBytes) refuseHunger(target, batch)
}

function decodeOrTell(target: FuzzTarget, bytes: Uint8Array, random: Random): boolean {
  try {
    return target.decode(bytes, random)
  } catch (error) {
    throw new Error(`${target.name} failed on ${show(bytes)}`, { cause: error })
  }
}

/** All that was ever allocated on the heap, and what lives outside it now. */
function allocatedBytes(): number {
  const { total_allocated_bytes: onHeap, external_memory: outside } = getHeapStatistics()
  return onHeap + outside
}

/** The wall clock also counts what others do: only CPU time of several tries is proof. */
function refuseSlowness(target: FuzzTarget, bytes: Uint8Array): void {
  const triesMs = Array.from({ length: 3 }, () => {
    const before = process.threadCpuUsage()
    target.decode(bytes, new SeededRandom(1))
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1000
  })
  const fastestMs = Math.min(...triesMs)
  if (fastestMs <= cpuLimitMs) return
  throw new Error(`${target.name} took ${fastestMs} ms of CPU on ${show(bytes)}`)
}

function refuseHunger(target: FuzzTarget, batch: readonly Uint8Array[]): void {
  for (const bytes of batch) {
    const before = allocatedBytes()
    target.decode(bytes, new SeededRandom(1))
    const allocated = allocatedBytes() - before
    if (allocated <= allocationFloorBytes + allocationFactor * bytes.length) continue
    throw new Error(`${target.name} allocated ${allocated} bytes for ${show(bytes)}`)
  }
}

const shownBytesMax = 2048

function show(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, shownBytesMax))
  return `${bytes.length} bytes: ${shown.toString('base64')}`
}

/** How many inputs a decoder gets: MESH_FUZZ_INPUTS, or what is right where every change is tested. */
export const fuzzInputs: number = Number(process.env['MESH_FUZZ_INPUTS'] ?? '100000')
export const fuzzSeed: number = Number(process.env['MESH_SEED'] ?? '1')

export function describeFuzz({
  inputs,
  accepted,
  slowestMs,
  allocatedBytesMax,
}: FuzzReport): string {
  const kilobytes = Math.ceil(allocatedBytesMax / 1024)
  return `${inputs} inputs, ${accepted} accepted; slowest ${slowestMs.toFixed(1)} ms, at most about ${kilobytes} kB each`
}

/** Cuts bytes into chunks as a network would. */
export function chunked(bytes: Uint8Array, random: Random): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = random.below(4) === 0 ? 1 : 1 + random.below(bytes.length - at)
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}

/**
 * A codec under fire: refusing is fine, throwing is not, and what is accepted must survive being
 * sent on.
 */
export function codec<T>(
  name: string,
  values: readonly T[],
  { encode, decode }: { encode: (value: T) => Uint8Array; decode: (bytes: Uint8Array) => unknown },
): FuzzTarget {
  return {
    name,
    corpus: values.map(encode),
    decode: (bytes) => {
      const decoded = decode(bytes)
      if (isRefused(decoded)) return false
      const again = encode(decoded as T)
      const twice = decode(again)
      assert.ok(!isRefused(twice), 'what was accepted is refused when it is sent on')
      assert.deepEqual(Buffer.from(encode(twice as T)), Buffer.from(again))
      return true
    },
  }
}
