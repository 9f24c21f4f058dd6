import { unreachable } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { CatalogView } from '../catalog/catalog-view.ts'
import type { CatalogDelta, CatalogReader, ObjectRef, StoredObject } from '../catalog/types.ts'
import type { FrameStream, Transport } from '../transport/transport.ts'
import { decodeFeedMessage, feedProtocol, type FeedMessage } from '../wire/catalog-feed-message.ts'
import { isRefused } from '../wire/frames.ts'
import { Watchers } from './watchers.ts'

const silenceMs = 5000
const retryMsMin = 100
const retryMsMax = 3000
/** A change that is longer than any table: somebody makes us collect for ever. */
const changeBytesMax = 256 * 1024 * 1024

export interface CatalogFollowerDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Whom to ask, as far as this table or an older acquaintance tells. */
  readonly managers: (catalog: CatalogReader) => readonly NodeId[]
}

interface Change {
  readonly reset: boolean
  readonly upserts: StoredObject[]
  readonly removals: ObjectRef[]
  bytes: number
}

/** A worker's side: its projection of the service table, fed by whatever manager can be reached. */
export class CatalogFollower {
  readonly #deps: CatalogFollowerDeps
  readonly #view = new CatalogView()
  /** Everything the view holds, for whoever begins to listen. */
  readonly #objects = new Map<string, StoredObject>()
  readonly #watchers = new Watchers<CatalogDelta>()
  #stream: FrameStream | null = null
  #change: Change | null = null
  #lastManager: NodeId | null = null
  #failures = 0
  #isCurrent = false
  #isStopped = false
  #cancelSilence: () => void = () => {}
  #cancelRetry: () => void = () => {}

  /** `saved` is what `snapshot` gave before a restart. */
  constructor(deps: CatalogFollowerDeps, saved: CatalogDelta | null = null) {
    this.#deps = deps
    if (saved !== null) this.#apply({ ...saved, reset: true })
    this.#retryAfter(0)
  }

  catalog(): CatalogReader {
    return this.#view
  }

  /** A manager has told us what is new, since this process began; until then it may be from long ago. */
  get isCurrent(): boolean {
    return this.#isCurrent
  }

  /** The manager that feeds us; null while there is none. */
  manager(): NodeId | null {
    return this.#stream?.peer ?? null
  }

  /** First everything, then each change. */
  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    const hear = (deltas: readonly CatalogDelta[]): void => {
      for (const delta of deltas) listener(delta)
    }
    return this.#watchers.add(hear, () => [this.snapshot()])
  }

  /** The whole table as one delta: to be saved, so that a restarted node knows it before it hears anyone. */
  snapshot(): CatalogDelta {
    const upserts = [...this.#objects.values()]
    return { index: this.#view.index, reset: true, upserts, removals: [] }
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelSilence()
    this.#cancelRetry()
    this.#stream?.close()
    this.#stream = null
  }

  #retryAfter(delayMs: number): void {
    this.#cancelRetry()
    if (this.#isStopped) return
    this.#cancelRetry = this.#deps.clock.after(delayMs, () => void this.#connect())
  }

  async #connect(): Promise<void> {
    const manager = this.#pickManager()
    if (manager === null) return this.#retryAfter(this.#backoffMs())
    this.#lastManager = manager
    try {
      const stream = await this.#deps.transport.openStream(manager, feedProtocol)
      if (this.#isStopped) return stream.close()
      this.#follow(stream)
    } catch (error) {
      this.#deps.log.debug({ manager, error }, 'no feed from this manager')
      this.#failures++
      this.#retryAfter(this.#backoffMs())
    }
  }

  /** Drawn, so that the workers of a lost manager spread over the others. */
  #pickManager(): NodeId | null {
    const { transport, random, managers } = this.#deps
    const connected = transport.connected()
    const reachable = [...new Set(managers(this.#view))].filter((node) => connected.includes(node))
    const others = reachable.filter((node) => node !== this.#lastManager)
    const candidates = others.length > 0 ? others : reachable
    return candidates.length === 0 ? null : (candidates[random.below(candidates.length)] ?? null)
  }

  /** Jittered: a manager that comes back is not to meet all workers in one moment. */
  #backoffMs(): number {
    const base = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(this.#failures, 10))
    return base / 2 + this.#deps.random.below(base)
  }

  #follow(stream: FrameStream): void {
    this.#stream = stream
    this.#change = null
    this.#expectWord(stream)
    stream.onFrame((frame) => this.#hear(stream, frame))
    stream.onClose(() => this.#lost(stream))
  }

  #lost(stream: FrameStream): void {
    if (this.#stream !== stream) return
    this.#stream = null
    this.#cancelSilence()
    this.#failures++
    this.#retryAfter(this.#backoffMs())
  }

  #expectWord(stream: FrameStream): void {
    this.#cancelSilence()
    this.#cancelSilence = this.#deps.clock.after(silenceMs, () => {
      this.#leave(stream, 'a manager fell silent')
    })
  }

  #leave(stream: FrameStream, why: string): void {
    if (this.#stream !== stream) return
    this.#deps.log.info({ manager: stream.peer }, `looking for another feed: ${why}`)
    this.#lost(stream)
    stream.close()
  }

  #hear(stream: FrameStream, frame: Uint8Array): void {
    if (this.#stream !== stream) return
    const message = decodeFeedMessage(frame)
    if (isRefused(message)) return this.#leave(stream, 'a message was malformed')
    // Another manager told us of later times already: this one is behind, or cut off.
    if (message.index < this.#view.index) return this.#leave(stream, 'a manager is behind')
    this.#expectWord(stream)
    switch (message.kind) {
      case 'heartbeat':
        this.#isCurrent = true
        if (message.index > this.#view.index) {
          this.#tell({ index: message.index, reset: false, upserts: [], removals: [] })
        }
        return
      case 'part':
        return this.#collect(stream, message, frame.length)
      default:
        return unreachable(message)
    }
  }

  #collect(stream: FrameStream, part: Extract<FeedMessage, { kind: 'part' }>, bytes: number): void {
    const change = this.#change ?? { reset: part.reset, upserts: [], removals: [], bytes: 0 }
    this.#change = change
    change.upserts.push(...part.upserts)
    change.removals.push(...part.removals)
    change.bytes += bytes
    if (change.bytes > changeBytesMax) return this.#leave(stream, 'a change has no end')
    if (!part.isLast) return
    this.#change = null
    this.#isCurrent = true
    this.#failures = 0
    const { reset, upserts, removals } = change
    this.#tell({ index: part.index, reset, upserts, removals })
  }

  #tell(delta: CatalogDelta): void {
    this.#apply(delta)
    this.#watchers.tell([delta])
  }

  #apply(delta: CatalogDelta): void {
    if (delta.reset) this.#objects.clear()
    for (const { kind, id } of delta.removals) this.#objects.delete(`${kind}/${id}`)
    for (const object of delta.upserts) this.#objects.set(`${object.kind}/${object.id}`, object)
    this.#view.apply(delta)
  }
}
