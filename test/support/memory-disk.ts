import type { AppendFile, Disk, DiskRoom } from '../../mesh/base/disk.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'

interface MemoryFile {
  /** Has room for more than the file holds, so that appending does not copy it each time. */
  bytes: Buffer
  length: number
  /** How much of it a crash leaves. */
  syncedBytes: number
}

/** What a crash leaves of each unsynced tail: its first bytes, one of which may have been turned. */
export interface TornTail {
  readonly bytes: number
  /** Counted from the end of what was synced; null when no bit is turned. */
  readonly flippedAt?: number | null
}

export type DiskOperation = 'sync' | 'replace'

/**
 * A disk in memory that forgets, at a crash, whatever was not synced: the twin of `NodeDisk`.
 * Faults are asked for by the test.
 */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, MemoryFile>()
  /** Files opened before a crash belong to a process that is no more. */
  #boot = 0
  #syncFailures = 0
  #held: Promise<void> = Promise.resolve()
  /** How long an operation takes; at once when null. */
  pace: ((operation: DiskOperation) => Promise<void>) | null = null
  /** While it is set, writing rejects. */
  isFull = false
  /** As it says itself. */
  freeBytes = 1 << 30
  /** As with a quota: it is full, and says that there is room. */
  hidesItsEnd = false
  /** How much of a write that no longer fits is on the disk all the same. */
  bytesBeforeFull = 0
  syncs = 0

  /** The next `count` syncs fail, as a broken disk's do. */
  failSyncs(count: number): void {
    this.#syncFailures = count
  }

  /** Syncs from now on end when the returned function is called, as on a disk that hangs. */
  holdSyncs(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    return () => {
      this.#held = Promise.resolve()
      resolve()
    }
  }

  /** The machine loses power; what was not synced is gone but for what happens to be written. */
  crash(torn: number | TornTail = 0): void {
    this.#boot++
    const { bytes, flippedAt = null } = typeof torn === 'number' ? { bytes: torn } : torn
    for (const file of this.#files.values()) {
      const kept = Math.min(file.length, file.syncedBytes + bytes)
      const at = file.syncedBytes + (flippedAt ?? 0)
      if (flippedAt !== null && at < kept) file.bytes[at] = (file.bytes[at] ?? 0) ^ 1
      file.length = kept
      file.syncedBytes = kept
    }
  }

  /** Turns one bit of a file over. */
  flipBit(path: string, offset: number): void {
    const file = this.#files.get(path)
    if (file === undefined || offset >= file.length) throw new RangeError(`no byte there: ${path}`)
    file.bytes[offset] = (file.bytes[offset] ?? 0) ^ 1
  }

  /** Appends bytes that were never asked for, as a torn write leaves them. */
  scribble(path: string, bytes: Uint8Array): void {
    const file = this.#fileAt(path)
    append(file, bytes)
    file.syncedBytes = file.length
  }

  read(path: string): Promise<Uint8Array | null> {
    const file = this.#files.get(path)
    return Promise.resolve(
      file === undefined ? null : Buffer.from(file.bytes.subarray(0, file.length)),
    )
  }

  async replace(path: string, data: Uint8Array): Promise<void> {
    const boot = this.#boot
    const bytes = Buffer.from(data)
    if (this.pace !== null) await this.pace('replace')
    if (boot !== this.#boot) await never()
    this.#refuseWhenFull('replace', path)
    this.#files.set(path, { bytes, length: bytes.length, syncedBytes: bytes.length })
  }

  remove(path: string): Promise<void> {
    this.#files.delete(path)
    return Promise.resolve()
  }

  list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`
    const names = [...this.#files.keys()].flatMap((path) => {
      const name = path.startsWith(prefix) ? path.slice(prefix.length) : ''
      return name === '' || name.includes('/') ? [] : [name]
    })
    return Promise.resolve(names.sort())
  }

  /** What the files of a directory take. */
  async bytesIn(directory: string): Promise<number> {
    const names = await this.list(directory)
    const lengths = names.map((name) => this.#files.get(`${directory}/${name}`)?.length ?? 0)
    return lengths.reduce((sum, length) => sum + length, 0)
  }

  async openAppend(path: string): Promise<AppendFile> {
    const boot = this.#boot
    if (!this.#files.has(path)) this.#refuseWhenFull('open', path)
    const file = this.#fileAt(path)
    const whileAlive = async (act: () => void): Promise<void> => {
      // A process that is gone never hears how its write ended.
      if (boot !== this.#boot) await never()
      act()
    }
    const sync = async (): Promise<void> => {
      if (this.pace !== null) await this.pace('sync')
      await this.#held
      return whileAlive(() => this.#sync(path, file))
    }
    return {
      append: (data) =>
        whileAlive(() => {
          if (this.isFull) append(file, data.subarray(0, this.bytesBeforeFull))
          this.#refuseWhenFull('append', path)
          append(file, data)
        }),
      sync,
      close: () => whileAlive(() => {}),
    }
  }

  room(): Promise<DiskRoom> {
    const isSeenFull = this.isFull && !this.hidesItsEnd
    return Promise.resolve({ freeBytes: isSeenFull ? 0 : this.freeBytes, where: 'memory' })
  }

  truncate(path: string, length: number): Promise<void> {
    const file = this.#fileAt(path)
    file.length = Math.min(file.length, length)
    file.syncedBytes = file.length
    return Promise.resolve()
  }

  #sync(path: string, file: MemoryFile): void {
    this.syncs++
    if (this.#syncFailures > 0) {
      this.#syncFailures--
      throw new MeshError({ code: 'storage/sync-failed', path, reason: 'EIO' })
    }
    file.syncedBytes = file.length
  }

  #refuseWhenFull(operation: string, path: string): void {
    if (this.isFull) throw new MeshError({ code: 'storage/io', operation, path, reason: 'ENOSPC' })
  }

  #fileAt(path: string): MemoryFile {
    const file = this.#files.get(path) ?? { bytes: Buffer.alloc(0), length: 0, syncedBytes: 0 }
    this.#files.set(path, file)
    return file
  }
}

function append(file: MemoryFile, data: Uint8Array): void {
  const length = file.length + data.length
  if (length > file.bytes.length) {
    const larger = Buffer.alloc(Math.max(length, file.bytes.length * 2, 1024))
    file.bytes.copy(larger, 0, 0, file.length)
    file.bytes = larger
  }
  file.bytes.set(data, file.length)
  file.length = length
}

const never = (): Promise<never> => new Promise(() => {})
