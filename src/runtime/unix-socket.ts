import { unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'

/**
 * Listens on a path in the file system. One that a crash left behind, where nobody answers, is
 * replaced; false when somebody does. Other faults reject.
 */
export async function listenOnPath(server: Server, path: string): Promise<boolean> {
  if (await tryListen(server, path)) return true
  if (await answers(path)) return false
  await unlink(path).catch(() => {})
  return tryListen(server, path)
}

function tryListen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      if (cause.code === 'EADDRINUSE') resolve(false)
      else reject(cause)
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
