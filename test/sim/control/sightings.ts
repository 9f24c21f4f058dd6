import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type { Member, MemberState } from '../../../mesh/membership/types.ts'
import type { Reach } from './reach.ts'

export interface SightingsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly reach: Reach
}

const reviewMs = 200
const suspectMs = 600
const deadMs = 2000

/** Who sees whom alive, as SWIM finds out: a while after it happens, each for itself. */
export class Sightings {
  readonly #deps: SightingsDeps
  readonly #members = new Map<NodeId, Map<NodeId, Member>>()
  readonly #silentSinceMs = new Map<string, number>()
  readonly #listeners = new Map<NodeId, (members: readonly Member[]) => void>()

  constructor(deps: SightingsDeps) {
    this.#deps = deps
    deps.clock.every(reviewMs, () => {
      for (const node of deps.reach.nodes) if (deps.reach.isUp(node)) this.#look(node)
    })
  }

  watch(node: NodeId, listener: (members: readonly Member[]) => void): () => void {
    this.#listeners.set(node, listener)
    listener([...this.#membersOf(node).values()])
    return () => this.#listeners.delete(node)
  }

  /** Its process ended: the next one has seen nobody. */
  forget(node: NodeId): void {
    this.#listeners.delete(node)
    this.#members.delete(node)
    for (const other of this.#deps.reach.nodes) this.#silentSinceMs.delete(`${node} ${other}`)
  }

  #membersOf(node: NodeId): Map<NodeId, Member> {
    const known = this.#members.get(node) ?? new Map<NodeId, Member>()
    this.#members.set(node, known)
    return known
  }

  #look(node: NodeId): void {
    const members = this.#membersOf(node)
    const changed: Member[] = []
    for (const other of this.#deps.reach.nodes) {
      const state = this.#stateOf(node, other)
      if (state === null || members.get(other)?.state === state) continue
      const member = memberOf(other, state)
      members.set(other, member)
      changed.push(member)
    }
    if (changed.length > 0) this.#listeners.get(node)?.(changed)
  }

  /** Null: who was never seen is not missed either. */
  #stateOf(node: NodeId, other: NodeId): MemberState | null {
    const { clock, reach, random } = this.#deps
    const pair = `${node} ${other}`
    if (reach.reaches(node, other)) {
      this.#silentSinceMs.delete(pair)
      return 'alive'
    }
    if (!this.#membersOf(node).has(other)) return null
    const since = this.#silentSinceMs.get(pair) ?? clock.monotonicMs() + random.below(400)
    this.#silentSinceMs.set(pair, since)
    const silentMs = clock.monotonicMs() - since
    return silentMs > deadMs ? 'dead' : silentMs > suspectMs ? 'suspect' : 'alive'
  }
}

function memberOf(id: NodeId, state: MemberState): Member {
  const address = addressOf(id)
  const meta = {
    name: id,
    gossipAddress: address,
    controlAddress: address,
    dataPathAddress: address,
  }
  return { id, state, incarnation: 1, sinceMs: 0, meta }
}

/** One for all ports: nobody dials it. */
export const addressOf = (node: NodeId): string => `10.0.0.${node.charCodeAt(1)}:1`
