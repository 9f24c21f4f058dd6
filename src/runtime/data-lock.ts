import { mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { MeshError } from '../../mesh/base/mesh-error.ts'

/**
 * Holds a directory for this process until it ends, however it ends: a unix socket in it that
 * answers while the process lives. One that nobody answers on was left by a crash and is taken over.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, 'lock.sock')
  const server = createServer((socket) => socket.destroy())
  const isFree = (await listens(server, path)) || (await takeOver(server, path))
  if (!isFree) throw new MeshError({ code: 'daemon/data-dir-in-use', dataDir })
  server.unref()
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

async function takeOver(server: Server, path: string): Promise<boolean> {
  if (await answers(path)) return false
  await unlink(path).catch(() => {})
  return listens(server, path)
}

/** False when the address is taken; other faults reject. */
function listens(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      if (cause.code === 'EADDRINUSE') return resolve(false)
      const reason = cause.message
      reject(new MeshError({ code: 'daemon/data-dir-lock-failed', path, reason }, { cause }))
    }
    server.once('error', fail)
    server.listen(path, () => {
      server.off('error', fail)
      resolve(true)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
