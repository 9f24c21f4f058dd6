import { placeKey, type Place } from '../place.ts'
import type { DatagramLoop } from './datagram-loop.ts'
import { UdpEntrance, type Door, type UdpEntranceDeps } from './udp-entrance.ts'

export interface UdpEntrancesOptions {
  readonly datagrams: DatagramLoop
  /** Whether other threads listen in the same places. */
  readonly isShared: boolean
  onListenFailed(place: Place, code: string): void
}

/** The published UDP ports of this thread. */
export class UdpEntrances {
  readonly #deps: UdpEntranceDeps
  readonly #options: UdpEntrancesOptions
  readonly #bound = new Map<string, Door>()
  readonly #entrances = new Map<number, UdpEntrance>()

  constructor(deps: UdpEntranceDeps, options: UdpEntrancesOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Listens in exactly these places. Flows end with the last place of their port. */
  setPlaces(places: readonly Place[]): void {
    const wanted = new Map(places.map((place) => [placeKey(place), place]))
    for (const [key, { place, socket }] of this.#bound) {
      if (wanted.has(key)) continue
      this.#bound.delete(key)
      this.#entrances.get(place.port)?.closeDoor(place)
      socket.close()
    }
    const ports = new Set(places.map((place) => place.port))
    for (const [port, entrance] of this.#entrances) {
      if (ports.has(port)) continue
      this.#entrances.delete(port)
      entrance.stop()
    }
    for (const [key, place] of wanted) if (!this.#bound.has(key)) this.#bind(key, place)
  }

  /** Also when a task begins to drain: its flows move at once. */
  routesChanged(): void {
    for (const entrance of this.#entrances.values()) entrance.routesChanged()
  }

  #bind(key: string, place: Place): void {
    const { port } = place
    const entrance = this.#entrances.get(port) ?? new UdpEntrance(port, this.#deps)
    this.#entrances.set(port, entrance)
    const { datagrams, isShared } = this.#options
    const socket = datagrams.bind(
      { ...place, shared: isShared },
      {
        onBound: () => {},
        onDatagram: (bytes, from) => entrance.receive(bytes, from, { place, socket }),
        onFailed: (code) => {
          this.#bound.delete(key)
          entrance.closeDoor(place)
          this.#options.onListenFailed(place, code)
        },
      },
    )
    this.#bound.set(key, { place, socket })
  }
}
