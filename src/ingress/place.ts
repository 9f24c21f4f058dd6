import type { Listener } from '../routing/route-table.ts'
import type { Address } from './loop.ts'

/** Something to listen on. */
export interface Place extends Address {
  readonly protocol: 'tcp' | 'udp'
}

export const placeKey = ({ protocol, host, port }: Place): string => `${protocol} ${host} ${port}`

/** As people call a published port; TCP goes without saying. */
export const portName = ({ protocol, port }: Pick<Place, 'protocol' | 'port'>): string =>
  protocol === 'tcp' ? String(port) : `${port}/${protocol}`

export interface OwnAddresses {
  /** Where this node serves what asks for no address of its own. */
  readonly listen: string
  /** All addresses of this machine. */
  readonly local: readonly string[]
}

/**
 * Where a node listens for its published ports. An answer to a datagram must leave from the address
 * that was asked, which only a socket of that very address makes sure of: UDP gets one for each.
 */
export function placesOf(listeners: readonly Listener[], own: OwnAddresses): Place[] {
  const places = new Map<string, Place>()
  for (const { protocol, port, options } of listeners) {
    const hosts = options.listen.length > 0 ? options.listen : [own.listen]
    const each = protocol === 'udp' ? hosts.flatMap((host) => addressesIn(host, own.local)) : hosts
    for (const host of each) {
      const place = { protocol, host, port }
      places.set(placeKey(place), place)
    }
  }
  return [...places.values()]
}

function addressesIn(host: string, local: readonly string[]): readonly string[] {
  if (host === '::') return local
  if (host === '0.0.0.0') return local.filter((address) => !address.includes(':'))
  return [host]
}
