import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import * as z from 'zod'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import type { Snapshot, SnapshotMeta } from '../raft/types.ts'
import { crc32c } from './crc32c.ts'
import type { StorageKey } from './storage-key.ts'

const snapshotsKept = 2
const magic = Buffer.from('MESHSNP1')
const saltBytes = 16
const headerBytes = 32
const purpose = 'snapshot'
const partBytes = 128 * 1024

const snapshotMeta: z.ZodType<SnapshotMeta> = z.object({
  index: z.int().nonnegative(),
  term: z.int().nonnegative(),
  confState: z.object({
    voters: z.array(z.int()),
    votersOutgoing: z.array(z.int()),
    learners: z.array(z.int()),
    learnersNext: z.array(z.int()),
    autoLeave: z.boolean(),
  }),
})

export interface SnapshotsOptions {
  readonly disk: Disk
  readonly directory: string
  readonly key: StorageKey
  readonly log: Log
}

/**
 * Snapshots of the agreed state, one file each, the two newest kept:
 *
 *     magic(8) key id(4) crc of the rest(4) salt(16) sealed { meta length(4) meta data }
 *
 * A file counts only when the write-ahead log has a marker for it.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions

  constructor(options: SnapshotsOptions) {
    this.#options = options
  }

  /** Durable when it resolves. */
  async save(snapshot: Snapshot): Promise<void> {
    const { disk, key } = this.#options
    const meta = Buffer.from(JSON.stringify(snapshot.meta))
    const metaLength = Buffer.alloc(4)
    metaLength.writeUInt32BE(meta.length)
    const salt = randomBytes(saltBytes)
    const sealer = key.sealerFor(salt, purpose)
    const sealed: Uint8Array[] = []
    let crc = crc32c(salt)
    for (const part of sealer.sealParts([metaLength, meta, ...cut(snapshot.data)], magic)) {
      sealed.push(part)
      crc = crc32c(part, crc)
      // Elections and probes do not wait until a large one is sealed.
      if (part.length === partBytes) await setImmediate()
    }
    const header = Buffer.alloc(headerBytes)
    magic.copy(header)
    header.writeUInt32BE(key.id, 8)
    header.writeUInt32BE(crc, 12)
    salt.copy(header, 16)
    await disk.replace(this.#pathOf(snapshot.meta), Buffer.concat([header, ...sealed]))
  }

  /** Null when it is missing, damaged or another one than its name says; the log says which. */
  async load(wanted: { readonly index: number; readonly term: number }): Promise<Snapshot | null> {
    const path = this.#pathOf(wanted)
    const file = await this.#options.disk.read(path)
    const snapshot = file === null ? null : this.#parse(file)
    if (snapshot !== null && this.#pathOf(snapshot.meta) === path) return snapshot
    const facts = { path, isMissing: file === null, isAnother: snapshot !== null }
    this.#options.log.warn(facts, 'a snapshot cannot be read')
    return null
  }

  /** Removes all but the newest ones. */
  async prune(): Promise<void> {
    const { disk, directory } = this.#options
    const names = (await disk.list(directory)).filter((name) => name.endsWith('.snap'))
    for (const name of names.slice(0, -snapshotsKept)) await disk.remove(`${directory}/${name}`)
  }

  #pathOf({ index, term }: { readonly index: number; readonly term: number }): string {
    return `${this.#options.directory}/${hex(index)}-${hex(term)}.snap`
  }

  #parse(file: Uint8Array): Snapshot | null {
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
    if (bytes.length < headerBytes || !bytes.subarray(0, 8).equals(magic)) return null
    if (bytes.readUInt32BE(8) !== this.#options.key.id) return null
    const salt = bytes.subarray(16, headerBytes)
    const sealed = bytes.subarray(headerBytes)
    if (bytes.readUInt32BE(12) !== crc32c(sealed, crc32c(salt))) return null
    const opened = this.#options.key.sealerFor(salt, purpose).open(sealed, magic)
    if (opened === null || opened.length < 4) return null
    const payload = Buffer.from(opened)
    const metaEnd = 4 + payload.readUInt32BE(0)
    const meta = snapshotMeta.safeParse(JSON.parse(payload.toString('utf8', 4, metaEnd)))
    return meta.success ? { meta: meta.data, data: payload.subarray(metaEnd) } : null
  }
}

const hex = (value: number): string => value.toString(16).padStart(16, '0')

function* cut(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += partBytes) yield data.subarray(at, at + partBytes)
}
