import type { Place } from './place.ts'

/** How many clients of a port may be in at once, on this node; null: as many as come. */
export interface CensusLimits {
  readonly maxConnections: number | null
  readonly maxConnectionsPerSource: number | null
}

/** Whom to count. */
export interface Visitor extends Pick<Place, 'protocol' | 'port'> {
  readonly source: string
}

const portCells = 2 * 65_536
/** Each source has one cell in each row; two sources seldom share all three. */
const rows = 3
const rowCells = 16_384

/**
 * Counts clients per published port and per source over all threads of a node. Each thread writes
 * into a memory of its own and reads those of all, so that no lock is needed, and what a thread
 * counted goes with it. Sources are hashed into a table of fixed size: when it errs, which takes
 * three collisions at once, then by counting too many.
 */
export class Census {
  readonly #cells: readonly Int32Array[]
  readonly #own: Int32Array
  readonly #seed: number

  constructor(memories: readonly SharedArrayBuffer[], own: number, seed: number) {
    this.#cells = memories.map((memory) => new Int32Array(memory))
    this.#own = this.#cells[own] ?? new Int32Array(Census.memory())
    this.#seed = seed
  }

  /** For one thread: empty, and in use once it counts. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * (portCells + rows * rowCells))
  }

  /** False when it is one too many. Whoever comes in must leave. */
  enter(visitor: Visitor, limits: CensusLimits): boolean {
    // Counted before it is judged: of two that come at once, in two threads, none slips in unseen.
    this.#count(visitor, 1)
    const { maxConnections, maxConnectionsPerSource } = limits
    const isFull = maxConnections !== null && this.#ofPort(visitor) > maxConnections
    const isGreedy =
      maxConnectionsPerSource !== null && this.#ofSource(visitor) > maxConnectionsPerSource
    if (!isFull && !isGreedy) return true
    this.#count(visitor, -1)
    return false
  }

  leave(visitor: Visitor): void {
    this.#count(visitor, -1)
  }

  #count(visitor: Visitor, change: 1 | -1): void {
    Atomics.add(this.#own, portCell(visitor), change)
    for (let row = 0; row < rows; row++) Atomics.add(this.#own, this.#cell(visitor, row), change)
  }

  #ofPort(visitor: Visitor): number {
    return this.#sum(portCell(visitor))
  }

  #ofSource(visitor: Visitor): number {
    let least = Number.POSITIVE_INFINITY
    for (let row = 0; row < rows; row++) {
      least = Math.min(least, this.#sum(this.#cell(visitor, row)))
    }
    return least
  }

  #sum(cell: number): number {
    return this.#cells.reduce((sum, cells) => sum + Atomics.load(cells, cell), 0)
  }

  #cell({ protocol, port, source }: Visitor, row: number): number {
    const hash = hashOf(`${protocol} ${port} ${source}`, this.#seed + row * 0x9e3779b9)
    return portCells + row * rowCells + (hash % rowCells)
  }
}

const portCell = ({ protocol, port }: Visitor): number => port + (protocol === 'udp' ? 65_536 : 0)

/** FNV-1a, with a seed that nobody outside knows, and a last stir (murmur3's). */
function hashOf(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
