import assert from 'node:assert/strict'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { decodeConfChange } from '../../../mesh/raft/conf-change.ts'
import { MemoryLog } from '../../../mesh/raft/memory-log.ts'
import { RaftNode } from '../../../mesh/raft/raft-node.ts'
import { lanRaftOptions, type RaftOptions } from '../../../mesh/raft/raft-options.ts'
import type { ConfState, Entry, Message, RaftId } from '../../../mesh/raft/types.ts'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (data: Uint8Array): string => new TextDecoder().decode(data)

/** Far more deliveries than any of these tests needs within one tick. */
const maxRounds = 500

/** A Raft node with a disk that outlives it and a state machine that lists what was applied. */
export class NetworkNode {
  readonly id: RaftId
  readonly log = new MemoryLog()
  readonly #options: Omit<RaftOptions, 'id'>
  readonly #seed: number
  #starts = 0
  node: RaftNode
  isUp = true
  applied: string[] = []
  reads: { index: number; context: string }[] = []
  #confState: ConfState

  constructor(
    id: RaftId,
    voters: readonly RaftId[],
    options: Omit<RaftOptions, 'id'>,
    seed: number,
  ) {
    this.id = id
    this.#options = options
    this.#seed = seed
    const sets = { votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
    this.#confState = { voters, ...sets }
    if (voters.length > 0) {
      const meta = { index: 1, term: 1, confState: this.#confState }
      this.log.applySnapshot({ meta, data: bytes('[]') })
    }
    this.node = this.#start()
  }

  #start(): RaftNode {
    const applied = this.log.snapshot()?.meta.index ?? 0
    const random = new SeededRandom(this.#seed * 1000 + this.id * 10 + this.#starts++)
    return new RaftNode({ ...this.#options, id: this.id, applied }, { storage: this.log, random })
  }

  /** Everything but the disk is gone. */
  restart(): void {
    this.isUp = true
    this.reads = []
    this.#loadSnapshot()
    this.node = this.#start()
  }

  #loadSnapshot(): void {
    const snapshot = this.log.snapshot()
    this.applied = snapshot === null ? [] : JSON.parse(textOf(snapshot.data))
    if (snapshot !== null) this.#confState = snapshot.meta.confState
  }

  processReady(): readonly Message[] {
    const ready = this.node.ready()
    if (ready.hardState) this.log.setHardState(ready.hardState)
    if (ready.snapshot) {
      this.log.applySnapshot(ready.snapshot)
      this.#loadSnapshot()
    }
    this.log.append(ready.entries)
    for (const entry of ready.committed) this.#apply(entry)
    for (const { index, context } of ready.readStates) {
      this.reads.push({ index, context: textOf(context) })
    }
    this.node.advance()
    return ready.messages
  }

  #apply(entry: Entry): void {
    const change = decodeConfChange(entry)
    if (change !== null) this.#confState = this.node.applyConfChange(change)
    else if (entry.data.length > 0) this.applied.push(textOf(entry.data))
  }

  /** Takes a snapshot of what is applied, and keeps no entry before it. */
  compact(): void {
    const { applied } = this.node.status()
    this.log.createSnapshot(applied, this.#confState, bytes(JSON.stringify(this.applied)))
    this.log.compact(applied)
  }
}

export interface NetworkOptions {
  readonly voters: readonly RaftId[]
  readonly seed?: number
  readonly raft?: Partial<Omit<RaftOptions, 'id'>>
}

/** A cluster in one process: messages are lost, doubled and reordered as a seed says. */
export class RaftNetwork {
  readonly nodes = new Map<RaftId, NetworkNode>()
  readonly random: SeededRandom
  readonly #options: Omit<RaftOptions, 'id'>
  readonly #seed: number
  readonly #cut = new Set<string>()
  readonly #leaders = new Map<number, RaftId>()
  /** What any node has applied, which no other may contradict. */
  readonly #agreed: string[] = []
  #messages: Message[] = []
  lossPercent = 0
  /** Called for every message that leaves; false loses it. */
  passes: (message: Message) => boolean = () => true

  constructor({ voters, seed = 1, raft = {} }: NetworkOptions) {
    this.#seed = seed
    this.random = new SeededRandom(seed)
    this.#options = { ...lanRaftOptions, ...raft }
    for (const id of voters) this.add(id, voters)
  }

  /** Without voters it starts empty and waits to be told. */
  add(id: RaftId, voters: readonly RaftId[] = []): NetworkNode {
    const node = new NetworkNode(id, voters, this.#options, this.#seed)
    this.nodes.set(id, node)
    return node
  }

  at(id: RaftId): NetworkNode {
    const node = this.nodes.get(id)
    assert.ok(node, `no node ${id}`)
    return node
  }

  get up(): NetworkNode[] {
    return [...this.nodes.values()].filter(({ isUp }) => isUp)
  }

  /** Nobody outside of the group hears anybody inside of it, nor the other way. */
  isolate(...group: RaftId[]): void {
    for (const inside of group) {
      for (const outside of this.nodes.keys()) {
        if (group.includes(outside)) continue
        this.#cut.add(`${inside}-${outside}`).add(`${outside}-${inside}`)
      }
    }
  }

  heal(): void {
    this.#cut.clear()
    this.lossPercent = 0
    this.passes = () => true
  }

  /** Time passes on every node, then the network comes to rest. */
  tick(count = 1): void {
    for (let tick = 0; tick < count; tick++) {
      for (const { node } of this.up) node.tick()
      this.settle()
    }
  }

  tickUntil(isDone: () => boolean, because: string): void {
    for (let tick = 0; tick < 400; tick++) {
      if (isDone()) return
      this.tick()
    }
    assert.fail(`not within 400 ticks: ${because}`)
  }

  settle(): void {
    for (let round = 0; round < maxRounds; round++) {
      for (const node of this.up) {
        while (node.node.hasReady()) this.#messages.push(...node.processReady())
        this.#check(node)
      }
      if (this.#messages.length === 0) return
      const messages = this.#messages
      this.#messages = []
      for (const message of messages) this.#deliver(message)
    }
    assert.fail('the network does not come to rest')
  }

  #deliver(message: Message): void {
    const isDelivered = this.#isDelivered(message)
    if (isDelivered) this.at(message.to).node.step(message)
    // Doubled, and later than what was sent after it.
    if (isDelivered && this.lossPercent > 0 && this.random.below(20) === 0) {
      this.#messages.push(message)
    }
    // Senders are told how a snapshot went, as a transport would tell them.
    const sender = this.nodes.get(message.from)
    if (message.kind === 'snapshot' && sender?.isUp) {
      sender.node.reportSnapshot(message.to, isDelivered)
    }
  }

  #isDelivered(message: Message): boolean {
    const isCut = this.#cut.has(`${message.from}-${message.to}`)
    const isUp = this.nodes.get(message.to)?.isUp === true
    return isUp && !isCut && this.passes(message) && this.random.below(100) >= this.lossPercent
  }

  #check({ id, node, applied }: NetworkNode): void {
    const { role, term } = node.status()
    if (role === 'leader') {
      const known = this.#leaders.get(term) ?? id
      assert.equal(known, id, `two leaders in term ${term}, seed ${this.#seed}`)
      this.#leaders.set(term, id)
    }
    for (const [at, text] of applied.entries()) {
      const agreed = (this.#agreed[at] ??= text)
      if (text !== agreed) assert.fail(`node ${id} applied ${text}, not ${agreed} (${this.#seed})`)
    }
  }

  /** The leader that a majority follows. */
  leader(): NetworkNode {
    let found: NetworkNode | undefined
    this.tickUntil(() => {
      found = this.up.find(({ id, node }) => {
        const { role, configuration } = node.status()
        const voters = this.up.filter((other) => configuration.incoming.has(other.id))
        const followers = voters.filter((other) => other.node.status().lead === id)
        return role === 'leader' && followers.length > configuration.incoming.size / 2
      })
      return found !== undefined
    }, 'a leader')
    assert.ok(found)
    return found
  }

  /** Proposes at the leader and waits until every node that is up has applied it. */
  commit(text: string): void {
    // Dropped while leadership is being transferred.
    this.tickUntil(() => this.leader().node.propose(bytes(text)) === 'ok', `propose ${text}`)
    this.tickUntil(() => this.up.every(({ applied }) => applied.includes(text)), `commit ${text}`)
  }
}
