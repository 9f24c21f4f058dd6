import { Entrance, type EntranceDeps } from './entrance.ts'
import type { Acceptor, Listening } from './loop.ts'
import { placeKey, type Place } from './place.ts'
import type { HttpCountOf } from '../wire/ingress-counts.ts'

export interface EntrancesOptions {
  /** Whether other threads listen in the same places. */
  readonly isShared: boolean
  onListenFailed(place: Place, code: string): void
}

interface Listener {
  readonly place: Place
  readonly listening: Listening
}

/** The published TCP ports of this thread. */
export class Entrances {
  readonly #deps: EntranceDeps
  readonly #options: EntrancesOptions
  readonly #listeners = new Map<string, Listener>()
  /** By port; those that were closed stay for as long as somebody is inside. */
  readonly #entrances = new Map<number, Entrance>()

  constructor(deps: EntranceDeps, options: EntrancesOptions) {
    this.#deps = deps
    this.#options = options
  }

  get openConnections(): number {
    let open = 0
    for (const entrance of this.#entrances.values()) open += entrance.openConnections
    return open
  }

  /** Listens in exactly these places; connections of a closed one live on. */
  setPlaces(places: readonly Place[]): void {
    const wanted = new Map(places.map((place) => [placeKey(place), place]))
    for (const [key, { listening }] of this.#listeners) {
      if (wanted.has(key)) continue
      this.#listeners.delete(key)
      this.#deps.loop.unlisten(listening)
    }
    this.#forgetClosed()
    for (const [key, place] of wanted) if (!this.#listeners.has(key)) this.#listen(key, place)
  }

  /** What was asked over HTTP, by port, and by task behind it. */
  httpCounts(): { readonly http: HttpCountOf[]; readonly httpTasks: HttpCountOf[] } {
    const asked = [...this.#entrances.values()].flatMap(({ httpPort }) => httpPort ?? [])
    return {
      http: asked.flatMap((port) => port.count() ?? []),
      httpTasks: asked.flatMap((port) => port.taskCounts()),
    }
  }

  routesChanged(): void {
    for (const entrance of this.#entrances.values()) entrance.routesChanged()
  }

  /** Nobody comes in any more, and whoever asks one thing after the other is told to leave. */
  finish(): void {
    this.setPlaces([])
    for (const entrance of this.#entrances.values()) entrance.finish()
  }

  /** Resets every client. */
  resetAll(): void {
    for (const entrance of this.#entrances.values()) entrance.stop()
  }

  #listen(key: string, place: Place): void {
    const { port } = place
    const entrance = this.#entrances.get(port) ?? new Entrance(port, this.#deps)
    this.#entrances.set(port, entrance)
    const acceptor: Acceptor = {
      onListening: () => {},
      onListenFailed: (code) => {
        this.#listeners.delete(key)
        this.#options.onListenFailed(place, code)
      },
      onAccept: (conn) => entrance.accept(conn),
    }
    const spec = { ...place, shared: this.#options.isShared }
    this.#listeners.set(key, { place, listening: this.#deps.loop.listen(spec, acceptor) })
  }

  #forgetClosed(): void {
    const open = new Set([...this.#listeners.values()].map(({ place }) => place.port))
    for (const [port, entrance] of this.#entrances) {
      if (open.has(port) || entrance.openConnections > 0) continue
      this.#entrances.delete(port)
      entrance.stop()
    }
  }
}
