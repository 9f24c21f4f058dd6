import { chmod, mkdir } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { ListenAddress } from './config.ts'
import { listenOnPath } from '../runtime/unix-socket.ts'

/** Group may use it, others may not: whoever reaches the socket is root of the cluster. */
const socketMode = 0o660

/** The API on a unix socket, until disposed. */
export async function listenOnSocket(server: Server, path: string): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true })
  if (!(await listenOnPath(server, path))) {
    const reason = 'another program answers there'
    throw new MeshError({ code: 'daemon/port-taken', address: path, purpose: 'API', reason })
  }
  await chmod(path, socketMode)
  return { [Symbol.asyncDispose]: () => close(server) }
}

/** The same on a TCP port. */
export async function listenOnAddress(
  server: Server,
  { host, port }: ListenAddress,
): Promise<AsyncDisposable> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  try {
    await promise
  } catch (error) {
    const facts = { address: `${host}:${port}`, purpose: 'metrics', reason: String(error) }
    throw new MeshError({ code: 'daemon/port-taken', ...facts })
  }
  return { [Symbol.asyncDispose]: () => close(server) }
}

/** An HTTP server without a socket of its own yet. */
export const serverFor = (request: RequestListener): Server =>
  createServer({ keepAliveTimeout: 60_000, headersTimeout: 10_000, requestTimeout: 0 }, request)

/** Gives a connection that was accepted and checked elsewhere to an HTTP server. */
export const handOver = (server: Server, socket: Duplex): boolean =>
  server.emit('connection', socket)

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
