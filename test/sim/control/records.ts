import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { Json } from '../../../mesh/base/json.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type { DiscoveryRecord } from '../../../mesh/discovery/types.ts'
import type { Reach } from './reach.ts'

export interface RecordsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly reach: Reach
}

/** All that one node says, at one moment of one life of it. */
interface Said {
  readonly epoch: number
  readonly version: number
  readonly values: ReadonlyMap<string, Json>
}

interface Ears {
  readonly heard: Map<NodeId, Said>
  isDue: boolean
  listener: ((records: readonly DiscoveryRecord[]) => void) | null
}

const spreadMs = 120
const silence: Said = { epoch: 0, version: 0, values: new Map() }

/** What nodes say, and who has heard how much of it: from its node, or from anybody who has. */
export class Records {
  readonly #deps: RecordsDeps
  readonly #ears = new Map<NodeId, Ears>()

  constructor(deps: RecordsDeps) {
    this.#deps = deps
    for (const node of deps.reach.nodes) {
      this.#ears.set(node, { heard: new Map(), isDue: false, listener: null })
    }
    deps.reach.onChange(() => this.#listenAll())
  }

  /** A new process begins with nothing to say, and has heard nothing. */
  begin(node: NodeId): void {
    const ears = this.#earsOf(node)
    ears.heard.clear()
    ears.heard.set(node, { ...silence, epoch: this.#deps.clock.nowMs() })
    this.#listenAll()
  }

  forget(node: NodeId): void {
    this.#earsOf(node).listener = null
  }

  publish(node: NodeId, key: string, value: Json | null): void {
    const before = this.said(node, node)
    const values = new Map(before.values)
    if (value === null) values.delete(key)
    else values.set(key, value)
    this.#hear(this.#earsOf(node), node, { ...before, version: before.version + 1, values })
    this.#listenAll()
  }

  watch(node: NodeId, listener: (records: readonly DiscoveryRecord[]) => void): () => void {
    const ears = this.#earsOf(node)
    ears.listener = listener
    for (const [writer, said] of ears.heard) listener(changesBetween(writer, silence, said))
    return () => (ears.listener = null)
  }

  /** What `by` has heard of `writer`. */
  said(by: NodeId, writer: NodeId): Said {
    return this.#earsOf(by).heard.get(writer) ?? silence
  }

  #earsOf(node: NodeId): Ears {
    const ears = this.#ears.get(node)
    if (ears === undefined) throw new Error(`no node ${node}`)
    return ears
  }

  #listenAll(): void {
    for (const node of this.#ears.keys()) this.#listenSoon(node)
  }

  #listenSoon(node: NodeId): void {
    const ears = this.#earsOf(node)
    if (ears.isDue) return
    ears.isDue = true
    this.#deps.clock.after(20 + this.#deps.random.below(spreadMs), () => {
      ears.isDue = false
      if (this.#deps.reach.isUp(node)) this.#listen(node, ears)
    })
  }

  #listen(node: NodeId, ears: Ears): void {
    const { reach } = this.#deps
    const near = reach.nodes.filter((other) => other !== node && reach.reaches(node, other))
    for (const writer of reach.nodes.filter((other) => other !== node)) {
      for (const teller of near) {
        const told = this.said(teller, writer)
        if (isNewer(told, this.said(node, writer))) this.#hear(ears, writer, told)
      }
    }
  }

  #hear(ears: Ears, writer: NodeId, now: Said): void {
    const changes = changesBetween(writer, ears.heard.get(writer) ?? silence, now)
    ears.heard.set(writer, now)
    if (changes.length > 0) ears.listener?.(changes)
  }
}

const isNewer = (one: Said, other: Said): boolean =>
  one.epoch === other.epoch ? one.version > other.version : one.epoch > other.epoch

function changesBetween(node: NodeId, before: Said, now: Said): DiscoveryRecord[] {
  const { epoch, version } = now
  const told = [...now.values].filter(([key, value]) => before.values.get(key) !== value)
  const gone = [...before.values.keys()].filter((key) => !now.values.has(key))
  return [
    ...told.map(([key, value]) => ({ node, epoch, version, key, value })),
    ...gone.map((key) => ({ node, epoch, version, key, value: null })),
  ]
}
