import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/**
 * The address of this machine from which `toward` is reached, by asking the kernel's routing table:
 * connecting a UDP socket sends nothing. Null when there is no route.
 */
function addressToward(toward: string): Promise<string | null> {
  const socket = createSocket(isIPv6(toward) ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close()
      resolve(null)
    })
    socket.once('connect', () => {
      const { address } = socket.address()
      socket.close()
      resolve(address)
    })
    socket.connect(9, toward)
  })
}

/** Documentation address (RFC 5737): routed like the internet, never sent to. */
const somewhereElse = '192.0.2.1'

/** Loopback when the machine has no route at all: a cluster of one still works. */
export async function chooseAdvertiseAddress(joinHost: string | undefined): Promise<string> {
  return (await addressToward(joinHost ?? somewhereElse)) ?? '127.0.0.1'
}
