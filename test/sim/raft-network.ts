import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import { raftProtocol } from '../../mesh/node/raft-link.ts'
import type { Message } from '../../mesh/raft/types.ts'
import type { NetworkFaults, Sending } from '../support/memory-network.ts'
import { readMessage } from './raft-frames.ts'
import type { Tally } from './tally.ts'

export interface RaftNetworkDeps {
  readonly random: Random
  readonly tally: Tally
  readonly deliver: (to: NodeId, act: () => void) => void
  readonly onMessage: (from: NodeId, to: NodeId, message: Message) => void
}

/** Chances out of ten thousand frames. */
export interface Weather {
  readonly lossChance: number
  readonly doubleChance: number
  readonly strayChance: number
}

export const fairWeather: Weather = { lossChance: 30, doubleChance: 40, strayChance: 30 }
export const stillWeather: Weather = { lossChance: 0, doubleChance: 0, strayChance: 0 }

const usualMs = 1
/** A frame that went astray comes behind others that were sent after it. */
const strayMaxMs = 60
const snapshotDoubleChance = 3000
/** How late the second copy of a frame may come. */
const doubleMaxMs = 12_000

/** What the network does to frames. */
export class RaftNetwork implements NetworkFaults {
  readonly #deps: RaftNetworkDeps
  readonly #blocked = new Map<string, number>()
  readonly #slow = new Map<NodeId, number>()
  weather: Weather = fairWeather

  constructor(deps: RaftNetworkDeps) {
    this.#deps = deps
  }

  travel(from: NodeId, to: NodeId, sending: Sending | null): readonly number[] {
    const message = sending?.protocol === raftProtocol ? readMessage(sending.frame) : null
    if (message !== null) this.#deps.onMessage(from, to, message)
    const { random, tally } = this.#deps
    const { lossChance, strayChance } = this.weather
    const doubleChance = this.#doubleChance(message)
    const slowMs = Math.max(this.#slow.get(from) ?? 0, this.#slow.get(to) ?? 0)
    const delayMs = usualMs + (slowMs === 0 ? 0 : random.below(slowMs))
    const drawn = random.below(10_000)
    if (drawn < lossChance) {
      tally.count('frame lost')
      return []
    }
    if (drawn < lossChance + doubleChance) {
      tally.count('frame doubled')
      return [delayMs, delayMs + random.below(doubleMaxMs)]
    }
    if (drawn < lossChance + doubleChance + strayChance) {
      tally.count('frame out of order')
      return [delayMs + 1 + random.below(strayMaxMs)]
    }
    return [delayMs]
  }

  /** There are few snapshots, and one that comes again is out of date by then. */
  #doubleChance(message: Message | null): number {
    const { doubleChance } = this.weather
    const isRare = message?.kind === 'snapshot' && doubleChance > 0
    return isRare ? Math.max(doubleChance, snapshotDoubleChance) : doubleChance
  }

  passes(from: NodeId, to: NodeId): boolean {
    return this.#blocked.size === 0 || !this.#blocked.has(from + to)
  }

  deliver(to: NodeId, act: () => void): void {
    this.#deps.deliver(to, act)
  }

  /** Blocks the ways until the returned function is called; blocks may overlap. */
  block(ways: readonly (readonly [NodeId, NodeId])[]): () => void {
    const keys = ways.map(([from, to]) => from + to)
    for (const key of keys) this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + 1)
    return () => {
      for (const key of keys) {
        const left = (this.#blocked.get(key) ?? 0) - 1
        if (left > 0) this.#blocked.set(key, left)
        else this.#blocked.delete(key)
      }
    }
  }

  /** Frames from and to these nodes take up to this much longer. */
  slowDown(nodes: readonly NodeId[], ms: number): () => void {
    for (const node of nodes) this.#slow.set(node, ms)
    return () => {
      for (const node of nodes) this.#slow.delete(node)
    }
  }

  heal(): void {
    this.#blocked.clear()
    this.#slow.clear()
    this.weather = stillWeather
  }
}
