import type { Clock } from '../base/clock.ts'
import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import { discoveryDefaults, type DiscoveryOptions } from '../discovery/options.ts'
import { RecordSet, writerGroups } from '../discovery/record-set.ts'
import type { Digest, Section } from '../discovery/section.ts'
import type { DiscoveryRecord } from '../discovery/types.ts'
import type { Transport } from '../transport/transport.ts'
import {
  decodeDifferences,
  decodePublishedRecords,
  decodeSummary,
  decodeSyncAnswer,
  decodeSyncQuestion,
  encodeDifferences,
  encodePublishedRecords,
  encodeSummary,
  encodeSyncAnswer,
  encodeSyncQuestion,
  maxPublishedRecordsBytes,
  recordsProtocol,
  recordSumsProtocol,
  recordsTopic,
} from '../wire/discovery-message.ts'
import { isRefused } from '../wire/frames.ts'
import { Watchers } from './watchers.ts'

export interface DiscoveryDriverDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Whose records are kept; asked again every second, so a removed node's records go. */
  readonly isMember: (node: NodeId) => boolean
}

export interface DiscoveryDriverOptions {
  readonly self: NodeId
  /** This life of the node: the wall clock when it started, in milliseconds. */
  readonly epoch: number
  /** Differences to `discoveryDefaults`. */
  readonly discovery?: Partial<DiscoveryOptions>
}

const batchMs = 50
const tickMs = 1000
const syncPeriodMs = 10_000
const syncTimeoutMs = 5000
/** After a loss was noticed; what was only overtaken has arrived by then. */
const repairMs = 300
/** Nobody who can be reached has it now; the regular comparison goes on. */
const repairMsMax = 10_000
/** Until gossipsub has made a new peer part of its mesh (its heartbeat is one second). */
const settleMs = 2000
const maxSyncs = 8
const maxRounds = 64
const answerBytes = 512 * 1024
/** What is compared at once, so that no message grows with the cluster. */
const groupsAtOnce = 8
/** Who lost the last word of a writer cannot know it: it is said again how much was said. */
const headDelaysMs = [400, 1200]

/** Spreads what this node says, and gathers what the others say. */
export class DiscoveryDriver {
  readonly #records: RecordSet
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #self: NodeId
  readonly #watchers = new Watchers<DiscoveryRecord>()
  readonly #syncing = new Set<NodeId>()
  readonly #ends: (() => void)[]
  /** Up to where this node's own records are on the topic, and of which epoch. */
  #published = { epoch: 0, through: 0 }
  #isBatchDue = false
  #isRepairDue = false
  /** Repairs in a row after which something was still missing. */
  #fruitless = 0
  #cancelHeads: (() => void)[] = []
  #isStopped = false

  constructor(deps: DiscoveryDriverDeps, { self, epoch, discovery }: DiscoveryDriverOptions) {
    const { transport, clock, random, log, isMember } = deps
    this.#transport = transport
    this.#clock = clock
    this.#random = random
    this.#log = log.child('discovery')
    this.#self = self
    const options = { ...discoveryDefaults, ...discovery }
    this.#records = new RecordSet({ self, epoch, options, isMember })
    transport.onPublished(recordsTopic, (bytes) => this.#heard(bytes))
    transport.onRequest(recordSumsProtocol, (from, frame) => this.#answerSummary(from, frame))
    transport.onRequest(recordsProtocol, (from, frame) => this.#answer(from, frame))
    transport.onConnection((node, event) => {
      if (event === 'up') this.#welcome(node)
    })
    this.#ends = [
      clock.every(tickMs, () => this.#tell(this.#records.tick(clock.monotonicMs()))),
      clock.every(syncPeriodMs, () => this.#syncWithAny()),
    ]
    // Even with nothing to say: peers learn that what an earlier life said is over.
    this.#publishSoon()
  }

  /** Says, replaces or (null) withdraws a fact about this node; on its way within 100 ms. */
  publish(key: string, value: Json): void {
    if (this.#isStopped) return
    const result = this.#records.publish(key, value, this.#clock.monotonicMs())
    switch (result.kind) {
      case 'unchanged':
        return
      case 'refused':
        // Losing one record must not end the daemon, but it is a fault of whoever published it.
        this.#log.error({ key, because: result.because }, 'a record cannot be published')
        return
      case 'published':
        this.#publishSoon()
        return this.#tell([result.record])
    }
  }

  /** What all nodes say now. */
  records(): readonly DiscoveryRecord[] {
    return this.#records.records()
  }

  /** First all records, then changes in batches (null: withdrawn); returns the function that ends it. */
  watch(listener: (records: readonly DiscoveryRecord[]) => void): () => void {
    return this.#watchers.add(listener, () => this.records())
  }

  /** Drops a removed node's records at once; `isMember` keeps them out from then on. */
  forget(node: NodeId): void {
    this.#tell(this.#records.forget(node))
  }

  stop(): void {
    this.#isStopped = true
    for (const end of [...this.#ends, ...this.#cancelHeads]) end()
  }

  /** Broadcasts reach a new neighbour only after a moment: what it misses until then is compared, too. */
  #welcome(node: NodeId): void {
    this.#startSync(node)
    this.#clock.after(settleMs, () => {
      if (this.#transport.connected().includes(node)) this.#startSync(node)
    })
  }

  #publishSoon(): void {
    if (this.#isBatchDue) return
    this.#isBatchDue = true
    this.#clock.after(batchMs, () => {
      this.#isBatchDue = false
      if (!this.#isStopped) this.#publishNews()
    })
  }

  #publishNews(): void {
    const { epoch } = this.#records
    const since = this.#published.epoch === epoch ? this.#published.through : 0
    for (const section of this.#records.ownNews(since, maxPublishedRecordsBytes)) {
      this.#transport.publish(recordsTopic, encodePublishedRecords(section))
      this.#published = { epoch, through: section.through }
    }
    this.#sayHeadsLater()
  }

  /** After the last of a burst of words, and again. */
  #sayHeadsLater(): void {
    for (const cancel of this.#cancelHeads) cancel()
    this.#cancelHeads = headDelaysMs.map((delayMs) =>
      this.#clock.after(delayMs, () => {
        const { through } = this.#published
        for (const head of this.#records.ownNews(through, maxPublishedRecordsBytes)) {
          this.#transport.publish(recordsTopic, encodePublishedRecords(head))
        }
      }),
    )
  }

  #heard(bytes: Uint8Array): void {
    if (this.#isStopped) return
    const section = decodePublishedRecords(bytes)
    if (isRefused(section)) return this.#log.debug({ ...section }, 'published records were refused')
    // A node that we do not know yet is in the catalog soon, and so may its records be here.
    const merged = this.#merge([section])
    if (merged === 0 || this.#records.hasGap(section.node)) this.#repairSoon()
  }

  /** How many were of members; those of others are refused. */
  #merge(sections: readonly Section[]): number {
    let merged = 0
    const changed: DiscoveryRecord[] = []
    for (const section of sections) {
      const result = this.#records.merge(section, this.#clock.monotonicMs())
      if (result.kind !== 'merged') continue
      changed.push(...result.changed)
      merged++
    }
    this.#tell(changed)
    return merged
  }

  #repairSoon(): void {
    if (this.#isRepairDue) return
    this.#isRepairDue = true
    const fullMs = Math.min(repairMsMax, repairMs * 2 ** Math.min(this.#fruitless, 10))
    this.#clock.after(fullMs + this.#random.below(repairMs), () => {
      this.#isRepairDue = false
      const [writer] = this.#records.gaps()
      const isInReach = writer !== undefined && this.#transport.connected().includes(writer)
      if (isInReach) this.#startSync(writer)
      else this.#syncWithAny()
    })
  }

  /** Several writers may have been missed. */
  #repairFurther(): void {
    const isWhole = this.#records.gaps().length === 0
    this.#fruitless = isWhole ? 0 : this.#fruitless + 1
    if (!isWhole && !this.#isStopped) this.#repairSoon()
  }

  #syncWithAny(): void {
    const peers = this.#transport.connected()
    const peer = peers[this.#random.below(Math.max(1, peers.length))]
    if (peer !== undefined) this.#startSync(peer)
  }

  #startSync(peer: NodeId): void {
    if (this.#isStopped || this.#syncing.has(peer) || this.#syncing.size >= maxSyncs) return
    this.#syncing.add(peer)
    this.#sync(peer)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        this.#log.debug({ node: peer, reason }, 'records could not be compared')
      })
      .finally(() => {
        this.#syncing.delete(peer)
        this.#repairFurther()
      })
  }

  /** Where the two differ is found out first; mostly they do not. */
  async #sync(peer: NodeId): Promise<void> {
    const question = encodeSummary(this.#records.summary(this.#random.below(2 ** 32)))
    const frame = await this.#transport.request(peer, recordSumsProtocol, question, syncTimeoutMs)
    const differing = decodeDifferences(frame)
    if (isRefused(differing)) throw new MeshError({ code: 'discovery/bad-answer', ...differing })
    for (let from = 0; from < differing.length && !this.#isStopped; from += groupsAtOnce) {
      await this.#fillUp(peer, differing.slice(from, from + groupsAtOnce))
    }
  }

  /** Asks for what we miss and gives what the peer misses, until neither gets any further. */
  async #fillUp(peer: NodeId, groups: readonly number[]): Promise<void> {
    const portion = { maxBytes: answerBytes, groups: new Set(groups) }
    const given = new Set<string>()
    let sections: readonly Section[] = []
    for (let round = 0; round < maxRounds && !this.#isStopped; round++) {
      const digest = this.#records.digest(portion.groups)
      const question = encodeSyncQuestion({ groups, digest, sections })
      const frame = await this.#transport.request(peer, recordsProtocol, question, syncTimeoutMs)
      if (this.#isStopped) return
      const answer = decodeSyncAnswer(frame)
      if (isRefused(answer)) throw new MeshError({ code: 'discovery/bad-answer', ...answer })
      const merged = this.#merge(answer.sections)
      this.#outlive(answer.digest)
      // A peer that refuses a section goes on missing it: nothing is given twice.
      const missing = this.#records.missingFor(answer.digest, portion).sections
      sections = missing.filter((one) => !given.has(nameOf(one)))
      for (const section of sections) given.add(nameOf(section))
      const isDone = answer.isWhole || merged === 0
      if (isDone && sections.length === 0) return
    }
  }

  async #answerSummary(from: NodeId, frame: Uint8Array): Promise<Uint8Array> {
    const summary = decodeSummary(frame)
    if (isRefused(summary)) throw this.#refuse(from, summary.refused)
    return encodeDifferences(this.#records.differences(summary))
  }

  async #answer(from: NodeId, frame: Uint8Array): Promise<Uint8Array> {
    const question = decodeSyncQuestion(frame)
    if (isRefused(question)) throw this.#refuse(from, question.refused)
    const groups = new Set(question.groups.slice(0, writerGroups))
    this.#merge(question.sections)
    this.#outlive(question.digest)
    const missing = this.#records.missingFor(question.digest, { maxBytes: answerBytes, groups })
    return encodeSyncAnswer({ digest: this.#records.digest(groups), ...missing })
  }

  #refuse(node: NodeId, refused: string): MeshError {
    this.#log.debug({ node, refused }, 'a comparison of records was refused')
    return new MeshError({ code: 'discovery/bad-question' })
  }

  /** See `RecordSet.outlive`: a peer may know a life of ours that claims to be later. */
  #outlive(digest: Digest): void {
    const ours = digest.find(({ node }) => node === this.#self)
    if (ours === undefined) return
    this.#tell(this.#records.outlive(ours.epoch, this.#clock.monotonicMs()))
    if (this.#published.epoch !== this.#records.epoch) this.#publishSoon()
  }

  #tell(changed: readonly DiscoveryRecord[]): void {
    this.#watchers.tell(changed)
  }
}

const nameOf = ({ node, epoch, through }: Section): string => `${node} ${epoch} ${through}`
