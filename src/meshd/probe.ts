import { connect } from 'node:net'
import { splitHostPort } from './node-facts.ts'

const probeLimitMs = 1000

/** Whether something accepts a connection at `host:port` now. */
export function probe(address: string): Promise<boolean> {
  const { host, port } = splitHostPort(address)
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: probeLimitMs })
    const answer = (isAccepted: boolean): void => {
      socket.destroy()
      resolve(isAccepted)
    }
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
