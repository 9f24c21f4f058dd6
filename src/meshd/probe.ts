import { connect } from 'node:net'
import { parseHostPort } from '../../mesh/transport/host-address.ts'

const probeLimitMs = 1000

/** Whether something accepts a connection at `host:port` now. */
export function probe(address: string): Promise<boolean> {
  const target = parseHostPort(address)
  if (target === null) return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = connect({ ...target, timeout: probeLimitMs })
    const answer = (isAccepted: boolean): void => {
      socket.destroy()
      resolve(isAccepted)
    }
    socket.once('connect', () => answer(true))
    socket.once('timeout', () => answer(false))
    socket.once('error', () => answer(false))
  })
}
