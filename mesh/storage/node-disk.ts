import { constants } from 'node:fs'
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  truncate,
  unlink,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AppendFile, Disk, DiskRoom } from '../base/disk.ts'
import { MeshError } from '../base/mesh-error.ts'

const fileMode = 0o600
const directoryMode = 0o700

/** A directory of the real file system. */
export class NodeDisk implements Disk {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async read(path: string): Promise<Uint8Array | null> {
    return this.#attempt('read', path, async (file) => {
      try {
        return await readFile(file)
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null
        throw error
      }
    })
  }

  async replace(path: string, data: Uint8Array): Promise<void> {
    await this.#attempt('replace', path, async (file) => {
      await this.#makeDirectory(dirname(file))
      const temporary = `${file}.tmp`
      try {
        await writeSynced(temporary, path, data)
      } catch (error) {
        // Half a file on a full disk would be in the way of all that is to come.
        await rm(temporary, { force: true })
        throw error
      }
      await rename(temporary, file)
      await syncDirectory(dirname(file))
    })
  }

  async remove(path: string): Promise<void> {
    await this.#attempt('remove', path, async (file) => {
      try {
        await unlink(file)
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error
      }
    })
  }

  async list(directory: string): Promise<string[]> {
    return this.#attempt('list', directory, async (folder) => {
      try {
        const entries = await readdir(folder, { withFileTypes: true })
        return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort()
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return []
        throw error
      }
    })
  }

  async openAppend(path: string): Promise<AppendFile> {
    return this.#attempt('open', path, async (file) => {
      await this.#makeDirectory(dirname(file))
      const { O_APPEND, O_CREAT, O_WRONLY } = constants
      const handle = await open(file, O_APPEND | O_CREAT | O_WRONLY, fileMode)
      await syncDirectory(dirname(file))
      return {
        append: (data) => this.#attempt('append', path, () => handle.appendFile(data)),
        sync: () => syncOrFail(path, () => handle.datasync()),
        close: () => this.#attempt('close', path, () => handle.close()),
      }
    })
  }

  async room(): Promise<DiskRoom> {
    return this.#attempt('statfs', '', async (root) => {
      const { bavail, bsize } = await statfs(root)
      return { freeBytes: bavail * bsize, where: root }
    })
  }

  async truncate(path: string, length: number): Promise<void> {
    await this.#attempt('truncate', path, async (file) => {
      await truncate(file, length)
      const handle = await open(file, 'r+')
      try {
        await syncOrFail(path, () => handle.sync())
      } finally {
        await handle.close()
      }
    })
  }

  /** Each new directory is made durable in its parent, or a crash could lose it with all it holds. */
  async #makeDirectory(directory: string): Promise<void> {
    const firstMade = await mkdir(directory, { recursive: true, mode: directoryMode })
    if (firstMade === undefined) return
    const stopAt = dirname(firstMade)
    for (let made = directory; made !== stopAt; made = dirname(made)) {
      await syncDirectory(dirname(made))
    }
  }

  async #attempt<T>(
    operation: string,
    path: string,
    action: (file: string) => Promise<T>,
  ): Promise<T> {
    try {
      return await action(join(this.#root, path))
    } catch (error) {
      if (error instanceof MeshError) throw error
      const reason = errorCode(error) ?? 'unknown'
      throw new MeshError({ code: 'storage/io', operation, path, reason }, { cause: error })
    }
  }
}

async function writeSynced(file: string, path: string, data: Uint8Array): Promise<void> {
  const handle = await open(file, 'w', fileMode)
  try {
    await handle.writeFile(data)
    await syncOrFail(path, () => handle.sync())
  } finally {
    await handle.close()
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await syncOrFail(directory, () => handle.sync())
  } finally {
    await handle.close()
  }
}

/** After a failed sync the kernel may have dropped the pages: nobody may try again (fsyncgate). */
async function syncOrFail(path: string, sync: () => Promise<void>): Promise<void> {
  try {
    await sync()
  } catch (error) {
    const reason = errorCode(error) ?? 'unknown'
    throw new MeshError({ code: 'storage/sync-failed', path, reason }, { cause: error })
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
