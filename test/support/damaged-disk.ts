import type { Random } from '../../mesh/base/random.ts'
import { noise, pick } from './fuzz-mutations.ts'

/** All files of a disk by path. */
export type Files = ReadonlyMap<string, Buffer>

const segmentHeaderBytes = 44
const frameHeadBytes = 8

/** Does one thing to one of the files that disks do to files. */
export function damage(
  files: Files,
  paths: readonly string[],
  random: Random,
): Map<string, Buffer> {
  const path = pick(paths, random)
  const file = Buffer.from(files.get(path) ?? Buffer.alloc(0))
  const damaged = new Map(files)
  const result = pick(damages, random)(file, random, files)
  if (result === null) damaged.delete(path)
  else damaged.set(path, result)
  return damaged
}

type Damage = (file: Buffer, random: Random, files: Files) => Buffer | null

const damages: readonly Damage[] = [
  flipBits,
  flipBits,
  overwrite,
  overwrite,
  loseBlock,
  cutOff,
  cutOff,
  (file, random) => Buffer.concat([file, noise(random, 1 + random.below(200))]),
  (file, random) => Buffer.concat([file, Buffer.alloc(1 + random.below(200))]),
  putAnother,
  (_, random) => Buffer.from(noise(random, random.below(300))),
  (_, random) => (random.below(4) === 0 ? null : Buffer.alloc(0)),
]

function flipBits(file: Buffer, random: Random): Buffer {
  const count = 1 + random.below(3)
  for (let flip = 0; flip < count && file.length > 0; flip++) {
    const at = random.below(file.length)
    file[at] = (file[at] ?? 0) ^ (1 << random.below(8))
  }
  return file
}

function overwrite(file: Buffer, random: Random): Buffer {
  const at = random.below(file.length + 1)
  const length = Math.min(file.length - at, 1 + random.below(100))
  Buffer.from(noise(random, length)).copy(file, at)
  return file
}

/** A block that never reached the disk reads as zeros. */
function loseBlock(file: Buffer, random: Random): Buffer {
  const block = pick([16, 64, 512], random)
  const at = random.below(Math.ceil(file.length / block) + 1) * block
  return file.fill(0, Math.min(at, file.length), Math.min(at + block, file.length))
}

/** A file in the place of another one. */
function putAnother(file: Buffer, random: Random, files: Files): Buffer {
  const others = [...files.values()]
  return others.length === 0 ? file : Buffer.from(pick(others, random))
}

function cutOff(file: Buffer, random: Random): Buffer {
  return file.subarray(0, random.below(file.length + 1))
}

interface Frame {
  readonly start: number
  readonly end: number
}

/** Where the records of an undamaged segment lie. */
function framesOf(segment: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let start = segmentHeaderBytes; start < segment.length;) {
    const end = start + frameHeadBytes + segment.readUInt32BE(start)
    frames.push({ start, end })
    start = end
  }
  return frames
}

/** Its length and what is sealed: proof that it was written, whatever became of its checksum. */
const sealedPartsOf = ({ start, end }: Frame): Frame[] => [
  { start, end: start + 4 },
  { start: start + frameHeadBytes, end },
]

/**
 * What must come of damaged files by the rules of recovery, decided without any of its code: `null`
 * when the start must be refused; otherwise the files without what may be lost.
 */
export function undamagedPart(whole: Files, damaged: Files): Files | null {
  const kept = new Map(whole)
  // Where the last segment is gone without a trace, the one before it is the last.
  const isThere = (path: string): boolean => path.endsWith('.wal') && damaged.has(path)
  const last = [...whole.keys()].filter(isThere).toSorted().at(-1)
  for (const [path, original] of whole) {
    const found = damaged.get(path)
    if (found?.equals(original) === true) continue
    if (path.endsWith('.snap') || found === undefined) {
      // A snapshot is whole or useless; what a lost segment means shows in the others.
      kept.delete(path)
      continue
    }
    if (path !== last) return null
    const end = intactEnd(original, found)
    if (end === null) return null
    if (end === 0) kept.delete(path)
    else kept.set(path, original.subarray(0, end))
  }
  return kept
}

/** Where the last segment is to be cut; null when something whole stands behind the damage. */
function intactEnd(original: Buffer, found: Buffer): number | null {
  const common = commonLength(original, found)
  if (common < segmentHeaderBytes) return found.length > segmentHeaderBytes ? null : 0
  const frames = framesOf(original)
  const isKept = ({ start, end: partEnd }: Frame): boolean =>
    found.subarray(start, partEnd).equals(original.subarray(start, partEnd))
  const end = frames.findLast((frame) => frame.end <= common)?.end ?? segmentHeaderBytes
  const isWholeBehind = frames.some((frame) => {
    return frame.start > end && sealedPartsOf(frame).every(isKept)
  })
  return isWholeBehind ? null : end
}

function commonLength(a: Buffer, b: Buffer): number {
  const limit = Math.min(a.length, b.length)
  let at = 0
  while (at < limit && a[at] === b[at]) at++
  return at
}
