import { createServer, type AddressInfo } from 'node:net'
import { engineFault } from './engine-fault.ts'

const maxTries = 20

/** A TCP port of `host` that nobody listens on now, and that is none of `taken`. */
export async function findFreePort(host: string, taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const port = await drawPort(host)
    if (!taken.has(port)) return port
  }
  throw engineFault('engine/no-free-port', `no free port on ${host}`)
}

function drawPort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) =>
      reject(engineFault('engine/no-free-port', `no free port on ${host}`, cause)),
    )
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
