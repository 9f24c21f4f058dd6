import { createServer } from 'node:net'
import { MeshError } from '../../mesh/base/mesh-error.ts'

export interface WantedPort {
  readonly host: string
  readonly port: number
  /** For the operator: what would listen there. */
  readonly purpose: string
}

/**
 * Rejects with `daemon/port-taken` when something holds one of these TCP ports: better said before
 * a cluster is founded than after.
 */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
  for (const { host, port, purpose } of wanted) {
    const reason = await tryPort(host, port)
    if (reason === null) continue
    throw new MeshError({ code: 'daemon/port-taken', address: `${host}:${port}`, purpose, reason })
  }
}

/** Null when it could be bound; it is given back at once. */
function tryPort(host: string, port: number): Promise<string | null> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(error.message))
    server.listen({ host, port }, () => server.close(() => resolve(null)))
  })
}
