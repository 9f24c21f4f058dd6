import type { AppendFile, Disk } from '../../mesh/base/disk.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'

interface MemoryFile {
  data: Buffer
  /** How much of it a crash leaves. */
  syncedBytes: number
}

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

  /** The machine loses power; of each unsynced tail at most `tornBytes` happen to have been written. */
  crash(tornBytes = 0): void {
    this.#boot++
    for (const file of this.#files.values()) {
      const kept = Math.min(file.data.length, file.syncedBytes + tornBytes)
      file.data = file.data.subarray(0, kept)
      file.syncedBytes = kept
    }
  }

  /** Turns one bit of a file over. */
  flipBit(path: string, offset: number): void {
    const file = this.#files.get(path)
    const byte = file?.data[offset]
    if (file === undefined || byte === undefined) throw new RangeError(`no byte there: ${path}`)
    file.data = Buffer.from(file.data)
    file.data[offset] = byte ^ 1
  }

  /** Appends bytes that were never asked for, as a torn write leaves them. */
  scribble(path: string, bytes: Uint8Array): void {
    const file = this.#fileAt(path)
    file.data = Buffer.concat([file.data, bytes])
    file.syncedBytes = file.data.length
  }

  read(path: string): Promise<Uint8Array | null> {
    const file = this.#files.get(path)
    return Promise.resolve(file === undefined ? null : Buffer.from(file.data))
  }

  replace(path: string, data: Uint8Array): Promise<void> {
    this.#files.set(path, { data: Buffer.from(data), syncedBytes: data.length })
    return Promise.resolve()
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

  openAppend(path: string): Promise<AppendFile> {
    const boot = this.#boot
    const file = this.#fileAt(path)
    const whileAlive = async (act: () => void): Promise<void> => {
      // A process that is gone never hears how its write ended.
      if (boot !== this.#boot) await new Promise(() => {})
      act()
    }
    const sync = async (): Promise<void> => {
      await this.#held
      return whileAlive(() => this.#sync(path, file))
    }
    return Promise.resolve({
      append: (data) =>
        whileAlive(() => {
          file.data = Buffer.concat([file.data, data])
        }),
      sync,
      close: () => whileAlive(() => {}),
    })
  }

  truncate(path: string, length: number): Promise<void> {
    const file = this.#fileAt(path)
    file.data = file.data.subarray(0, length)
    file.syncedBytes = Math.min(length, file.data.length)
    return Promise.resolve()
  }

  #sync(path: string, file: MemoryFile): void {
    this.syncs++
    if (this.#syncFailures > 0) {
      this.#syncFailures--
      throw new MeshError({ code: 'storage/sync-failed', path, reason: 'EIO' })
    }
    file.syncedBytes = file.data.length
  }

  #fileAt(path: string): MemoryFile {
    const file = this.#files.get(path) ?? { data: Buffer.alloc(0), syncedBytes: 0 }
    this.#files.set(path, file)
    return file
  }
}
