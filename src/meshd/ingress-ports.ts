import type { IngressPort } from '../api/ingress-report.ts'
import type { Listener, RouteTable } from '../routing/route-table.ts'
import type { PlaceState } from '../wire/ingress-message.ts'

interface Known {
  readonly table: RouteTable | null
  readonly places: readonly PlaceState[]
}

/** What this node was told to publish, and where its ingress listens for it. */
export function ingressPorts({ table, places }: Known): IngressPort[] {
  const byPort = Map.groupBy(places, key)
  return (table?.listeners ?? []).map((listener) =>
    portOf(listener, byPort.get(key(listener)) ?? []),
  )
}

const key = ({ protocol, port }: Pick<PlaceState, 'protocol' | 'port'>): string =>
  `${port}/${protocol}`

function portOf(listener: Listener, places: readonly PlaceState[]): IngressPort {
  const { port, protocol, serviceId, serviceName, options, endpoints } = listener
  return {
    port,
    protocol,
    mode: protocol === 'udp' ? 'udp' : options.protocol,
    serviceId,
    serviceName,
    tasks: endpoints.length,
    places: places.map(({ host, state }) => ({ host, state })),
  }
}
