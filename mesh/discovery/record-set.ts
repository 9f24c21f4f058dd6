import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'
import { hash32 } from '../base/text-hash.ts'
import { jsonBytes, recordBytes, utf8Bytes } from './record-bytes.ts'
import type { DiscoveryOptions } from './options.ts'
import type { Digest, Section, Summary } from './section.ts'
import type { DiscoveryRecord } from './types.ts'
import { WriterLog } from './writer-log.ts'

/** Into how many groups the writers are divided, by the hash of their ids. */
export const writerGroups = 64

export interface RecordSetGiven {
  readonly self: NodeId
  /** This life of the node: the wall clock when it started, in milliseconds. */
  readonly epoch: number
  readonly options: DiscoveryOptions
  /** Whose records are kept at all. */
  readonly isMember: (node: NodeId) => boolean
}

export type PublishResult =
  | { readonly kind: 'published'; readonly record: DiscoveryRecord }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly because: 'key-too-long' | 'value-too-long' | 'full' }

export interface Portion {
  readonly maxBytes: number
  /** Only of writers in these groups; of all when absent. */
  readonly groups?: ReadonlySet<number>
}

export interface Missing {
  readonly sections: Section[]
  readonly isWhole: boolean
}

export type MergeResult =
  /** Null values are withdrawals. */
  | { readonly kind: 'merged'; readonly changed: readonly DiscoveryRecord[] }
  | { readonly kind: 'not-a-member' }

/**
 * What all nodes say of themselves: a map of single-writer logs. Sections may arrive in any order,
 * twice, or not at all; who compares digests and exchanges what is missing ends up with the same map.
 */
export class RecordSet {
  readonly #self: NodeId
  readonly #options: DiscoveryOptions
  readonly #isMember: (node: NodeId) => boolean
  readonly #logs = new Map<NodeId, WriterLog>()
  #own: WriterLog

  constructor({ self, epoch, options, isMember }: RecordSetGiven) {
    this.#self = self
    this.#options = options
    this.#isMember = isMember
    this.#own = new WriterLog(self, epoch, options)
    this.#logs.set(self, this.#own)
  }

  /** Of this node; changes when an earlier life of it turns out to have been later by the clock. */
  get epoch(): number {
    return this.#own.known.epoch
  }

  /** What everybody says now. */
  records(): DiscoveryRecord[] {
    return [...this.#logs.values()].flatMap((log) => log.alive())
  }

  /** Of the writers in these groups; of all when absent. */
  digest(groups?: ReadonlySet<number>): Digest {
    return this.#logsIn(groups).map(([, { known }]) => known)
  }

  summary(salt: number): Summary {
    const sums = Array.from({ length: writerGroups }, () => 0)
    for (const [, { known }] of this.#logs) {
      const { node, epoch, through } = known
      const group = groupOf(node)
      sums[group] = ((sums[group] ?? 0) + hash32(`${node} ${epoch} ${through} ${salt}`)) % 2 ** 32
    }
    return { salt, sums }
  }

  /** Groups of which somebody with this summary knows something else. */
  differences({ salt, sums }: Summary): number[] {
    return this.summary(salt).sums.flatMap((sum, group) => (sum === sums[group] ? [] : [group]))
  }

  /** Writers of whom something in between was lost. */
  gaps(): NodeId[] {
    return [...this.#logs].filter(([, log]) => log.hasGap).map(([node]) => node)
  }

  hasGap(writer: NodeId): boolean {
    return this.#logs.get(writer)?.hasGap === true
  }

  /** Says something of this node, or (null) no longer. */
  publish(key: string, value: Json, nowMs: number): PublishResult {
    const { maxKeyBytes, maxValueBytes } = this.#options
    if (utf8Bytes(key) > maxKeyBytes) return { kind: 'refused', because: 'key-too-long' }
    if (jsonBytes(value) > maxValueBytes) return { kind: 'refused', because: 'value-too-long' }
    if (isSame(this.#own.value(key), value)) return { kind: 'unchanged' }
    if (!this.#own.hasRoom(key, value)) return { kind: 'refused', because: 'full' }
    return { kind: 'published', record: this.#own.append(key, value, nowMs) }
  }

  /** This node's news after `since`, in pieces to send; one empty piece when there are none. */
  ownNews(since: number, maxBytes: number): Section[] {
    return this.#own.newsSince(since, maxBytes)
  }

  merge(section: Section, nowMs: number): MergeResult {
    if (section.node === this.#self) {
      return { kind: 'merged', changed: this.outlive(section.epoch, nowMs) }
    }
    if (!this.#isMember(section.node)) return { kind: 'not-a-member' }
    const log =
      this.#logs.get(section.node) ?? new WriterLog(section.node, section.epoch, this.#options)
    this.#logs.set(section.node, log)
    return { kind: 'merged', changed: log.merge(section, nowMs) }
  }

  /**
   * Somebody has heard us in this epoch. If that was a life with a clock ahead of ours, nobody would
   * believe this one: it moves to the epoch after, and says everything again.
   */
  outlive(heardEpoch: number, nowMs: number): DiscoveryRecord[] {
    if (heardEpoch <= this.epoch) return []
    const said = this.#own.alive()
    this.#own = new WriterLog(this.#self, heardEpoch + 1, this.#options)
    this.#logs.set(this.#self, this.#own)
    return said.map(({ key, value }) => this.#own.append(key, value, nowMs))
  }

  /**
   * What somebody with this digest misses: whole sections, as many as `maxBytes` hold, but at least
   * one. `isWhole` when that was all.
   */
  missingFor(digest: Digest, { maxBytes, groups }: Portion): Missing {
    const theirs = new Map(digest.map((known) => [known.node, known]))
    const sections: Section[] = []
    let bytes = 0
    for (const [node, log] of this.#logsIn(groups)) {
      const section = log.missingFor(theirs.get(node))
      if (section === null) continue
      for (const { key, value } of section.records) bytes += recordBytes(key, value)
      if (bytes > maxBytes && sections.length > 0) return { sections, isWhole: false }
      sections.push(section)
    }
    return { sections, isWhole: true }
  }

  /** The passing of time, about once a second: what is over is dropped, and who is no member. */
  tick(nowMs: number): DiscoveryRecord[] {
    const withdrawn: DiscoveryRecord[] = []
    for (const [node, log] of this.#logs) {
      if (node !== this.#self && !this.#isMember(node)) withdrawn.push(...this.forget(node))
      else withdrawn.push(...log.tick(nowMs))
    }
    return withdrawn
  }

  /** Drops everything a node said; its records come back as withdrawals. */
  forget(node: NodeId): DiscoveryRecord[] {
    const log = this.#logs.get(node)
    if (log === undefined || node === this.#self) return []
    this.#logs.delete(node)
    return log.alive().map((record) => ({ ...record, value: null }))
  }

  #logsIn(groups: ReadonlySet<number> | undefined): [NodeId, WriterLog][] {
    const all = [...this.#logs]
    return groups === undefined ? all : all.filter(([node]) => groups.has(groupOf(node)))
  }
}

const groupOf = (node: NodeId): number => hash32(node) % writerGroups

const isSame = (left: Json, right: Json): boolean => JSON.stringify(left) === JSON.stringify(right)
