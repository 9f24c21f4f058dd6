import { createSocket } from 'node:dgram'
import { createServer, isIPv6, type AddressInfo } from 'node:net'
import { engineFault } from './engine-fault.ts'

const maxTries = 20

/** A port of `host` that nobody listens on now, with TCP or UDP, and that is none of `taken`. */
export async function findFreePort(host: string, taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const port = await drawPort(host)
    if (!taken.has(port) && (await isFreeForUdp(host, port))) return port
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

function isFreeForUdp(host: string, port: number): Promise<boolean> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.close(() => resolve(true))
    })
  })
}
