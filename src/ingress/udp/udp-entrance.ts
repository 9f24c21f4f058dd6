import { entryId } from '../../wire/ingress-counts.ts'
import type { Census, Visitor } from '../census.ts'
import { IdleSweep, type Quietable } from '../idle-sweep.ts'
import type { Address } from '../loop.ts'
import type { Place } from '../place.ts'
import type { TrafficBook } from '../counts/traffic.ts'
import type { DatagramSocket } from './datagram-loop.ts'
import { Flow, type FlowDeps } from './flow.ts'

export interface UdpEntranceDeps extends FlowDeps {
  readonly census: Census
  /** By entry. */
  readonly ports: TrafficBook
}

const defaultIdleMs = 60_000
/** A sender may invent addresses as it likes: the flow that was quiet longest makes room. */
const flowsLimit = 4096

interface Guest extends Quietable {
  readonly key: string
  readonly place: Place
  readonly flow: Flow
  readonly visitor: Visitor
}

/** Where a datagram came in, and answers go out. */
export interface Door {
  readonly place: Place
  readonly socket: DatagramSocket
}

/** One published UDP port, at whatever addresses it is bound, and the flows of its clients. */
export class UdpEntrance {
  readonly #port: number
  readonly #deps: UdpEntranceDeps
  readonly #sweep: IdleSweep<Guest>
  /** By the client's address and the one that it sends to; who spoke last stands last. */
  readonly #guests = new Map<string, Guest>()

  constructor(port: number, deps: UdpEntranceDeps) {
    this.#port = port
    this.#deps = deps
    this.#sweep = new IdleSweep(deps.clock, defaultIdleMs, (guest) => this.#close(guest))
    this.routesChanged()
  }

  routesChanged(): void {
    const options = this.#deps.routes.listener(this.#port, 'udp')?.options
    if (options !== undefined) this.#sweep.setIdleMs(options.idleTimeoutMs ?? defaultIdleMs)
    for (const { flow } of this.#guests.values()) flow.recheck()
  }

  receive(bytes: Uint8Array, from: Address, door: Door): void {
    const key = `${from.host} ${from.port} ${door.place.host}`
    const guest = this.#guests.get(key) ?? this.#admit(key, from, door)
    if (guest === null) return
    this.#guests.delete(key)
    this.#guests.set(key, guest)
    guest.flow.push(bytes)
  }

  /** Nobody can be answered from there any more. */
  closeDoor(place: Place): void {
    for (const guest of this.#guests.values()) if (guest.place === place) this.#close(guest)
  }

  stop(): void {
    this.#sweep.stop()
    for (const guest of this.#guests.values()) this.#close(guest)
  }

  /** Null when there are too many already. */
  #admit(key: string, client: Address, { place, socket }: Door): Guest | null {
    const { routes, census, ports } = this.#deps
    const listener = routes.listener(this.#port, 'udp')
    if (listener === undefined) return null
    const traffic = ports.of(entryId(listener))
    const visitor = { protocol: 'udp', port: this.#port, source: client.host } as const
    if (!census.enter(visitor, listener.options)) {
      traffic.failed += 1
      traffic.dropped += 1
      return null
    }
    if (this.#guests.size >= flowsLimit) this.#closeQuietest()
    const answer = (bytes: Uint8Array): boolean => socket.send(bytes, client)
    const facts = { port: this.#port, client, destination: place, traffic, answer }
    const flow = new Flow(facts, this.#deps)
    const countQuietLooks = (): number => flow.countQuietLooks()
    const guest = { key, place, flow, visitor, countQuietLooks }
    this.#sweep.add(guest)
    return guest
  }

  #closeQuietest(): void {
    const [quietest] = this.#guests.values()
    if (quietest !== undefined) this.#close(quietest)
  }

  #close(guest: Guest): void {
    this.#guests.delete(guest.key)
    this.#sweep.delete(guest)
    this.#deps.census.leave(guest.visitor)
    guest.flow.close()
  }
}
