import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import { listenOnPath } from './unix-socket.ts'

/**
 * Holds a directory for this process until it ends, however it ends: a unix socket in it that
 * answers while the process lives.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy())
  const isFree = await claim().catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.message
    throw new MeshError({ code: 'daemon/data-dir-unusable', dataDir, reason }, { cause })
  })
  if (!isFree) throw new MeshError({ code: 'daemon/data-dir-in-use', dataDir })
  server.unref()
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }

  async function claim(): Promise<boolean> {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    return listenOnPath(server, join(dataDir, 'lock.sock'))
  }
}
