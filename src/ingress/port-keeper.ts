import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { PlaceState } from '../wire/ingress-message.ts'
import { placeKey, portName, type Place } from './place.ts'

/** Tries to listen for a moment, alone; the returned function gives it up. */
export type TryPlace = (place: Place, outcome: TryOutcome) => () => void

export interface TryOutcome {
  readonly onFree: () => void
  readonly onTaken: (code: string) => void
}

export interface PortKeeperOptions {
  readonly tryPlace: TryPlace
  readonly clock: Clock
  readonly log: Log
  /** Whether a node must have this address; others may be of one node alone, or come and go. */
  isOwn(host: string): boolean
  /** The places that are ours to listen in have changed. */
  onFree(places: readonly Place[]): void
  /** The ports that somebody else holds, here or there, have changed. */
  onConflicts(ports: readonly string[]): void
}

const retryMs = 1000

/**
 * Finds out whether a place is free before the workers share it: with SO_REUSEPORT alone, another
 * program of the same user, another meshd too, would silently get a part of the connections.
 */
export class PortKeeper {
  readonly #options: PortKeeperOptions
  #wanted: ReadonlyMap<string, Place> = new Map()
  readonly #free = new Map<string, Place>()
  readonly #conflicts = new Map<string, Place>()
  /** At addresses that this node does not have, now. */
  readonly #absent = new Map<string, Place>()
  readonly #probes = new Map<string, () => void>()
  readonly #endRetries: () => void

  constructor(options: PortKeeperOptions) {
    this.#options = options
    this.#endRetries = options.clock.every(retryMs, () => this.#retry())
  }

  /** By name, a port once however many of its places are taken. */
  get conflicts(): readonly string[] {
    const places = [...this.#conflicts.values()].sort((left, right) => left.port - right.port)
    return [...new Set(places.map(portName))]
  }

  /** All that are wanted, and how it stands with each. */
  get states(): readonly PlaceState[] {
    return [...this.#wanted].map(([key, place]) => ({ ...place, state: this.#stateOf(key) }))
  }

  setWanted(places: readonly Place[]): void {
    this.#wanted = new Map(places.map((place) => [placeKey(place), place]))
    const isUnwanted = (key: string): boolean => !this.#wanted.has(key)
    if (deleteWhere(this.#free, isUnwanted)) this.#tellFree()
    deleteWhere(this.#absent, isUnwanted)
    if (deleteWhere(this.#conflicts, isUnwanted)) this.#options.onConflicts(this.conflicts)
    for (const [key, place] of this.#wanted) if (!this.#isKnown(key)) this.#probe(key, place)
  }

  /** A worker could not listen after all: somebody was quicker. */
  lost(place: Place, code: string): void {
    const key = placeKey(place)
    if (!this.#free.delete(key)) return
    this.#tellFree()
    this.#taken(key, place, code)
  }

  stop(): void {
    this.#endRetries()
    for (const giveUp of this.#probes.values()) giveUp()
    this.#probes.clear()
  }

  #stateOf(key: string): PlaceState['state'] {
    if (this.#free.has(key)) return 'bound'
    if (this.#conflicts.has(key)) return 'taken'
    return this.#absent.has(key) ? 'absent' : 'opening'
  }

  #isKnown(key: string): boolean {
    return this.#free.has(key) || this.#conflicts.has(key) || this.#absent.has(key)
  }

  #retry(): void {
    for (const [key, place] of [...this.#conflicts, ...this.#absent]) this.#probe(key, place)
  }

  #probe(key: string, place: Place): void {
    if (this.#probes.has(key)) return
    const giveUp = this.#options.tryPlace(place, {
      onFree: () => {
        this.#probes.delete(key)
        this.#isFree(key, place)
      },
      onTaken: (code) => {
        this.#probes.delete(key)
        if (this.#wanted.has(key)) this.#taken(key, place, code)
      },
    })
    this.#probes.set(key, giveUp)
  }

  #isFree(key: string, place: Place): void {
    if (!this.#wanted.has(key)) return
    this.#absent.delete(key)
    this.#free.set(key, place)
    this.#tellFree()
    if (!this.#conflicts.delete(key)) return
    this.#options.log.info(factsOf(place), 'port is free again')
    this.#options.onConflicts(this.conflicts)
  }

  #taken(key: string, place: Place, code: string): void {
    if (code === 'EADDRNOTAVAIL' && !this.#options.isOwn(place.host)) {
      this.#absent.set(key, place)
      if (this.#conflicts.delete(key)) this.#options.onConflicts(this.conflicts)
      return
    }
    this.#absent.delete(key)
    if (this.#conflicts.has(key)) return
    this.#conflicts.set(key, place)
    const facts = { ...factsOf(place), code }
    this.#options.log.warn(facts, 'cannot listen on port; trying again every second')
    this.#options.onConflicts(this.conflicts)
  }

  #tellFree(): void {
    this.#options.onFree([...this.#free.values()])
  }
}

const factsOf = (place: Place) => ({ port: portName(place), address: place.host })

/** Whether there was one. */
function deleteWhere(places: Map<string, Place>, isUnwanted: (key: string) => boolean): boolean {
  const unwanted = [...places.keys()].filter(isUnwanted)
  for (const key of unwanted) places.delete(key)
  return unwanted.length > 0
}
