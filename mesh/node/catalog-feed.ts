import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { CatalogDelta, CatalogReader, ObjectRef, StoredObject } from '../catalog/types.ts'
import type { FrameStream, Transport } from '../transport/transport.ts'
import { encodeFeedMessage, feedProtocol, type FeedMessage } from '../wire/catalog-feed-message.ts'

const batchMs = 50
const heartbeatMs = 2000
/** A worker that takes nothing for so long is cut off; it comes back and begins anew. */
const stuckMs = 10_000
const partObjectsMax = 200
const partBytesAim = 256 * 1024

export interface CatalogFeedDeps {
  readonly transport: Transport
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly log: Log
  readonly catalog: () => CatalogReader
  readonly watchCatalog: (listener: (delta: CatalogDelta) => void) => () => void
  /** Whether this manager hears of new changes; one that is cut off sends its workers elsewhere. */
  readonly isCurrent: () => boolean
}

/** A manager's side: each worker that asks gets its projection, and follows it. */
export class CatalogFeed {
  readonly #deps: CatalogFeedDeps
  readonly #workers = new Set<WorkerFeed>()
  readonly #stops: readonly (() => void)[]
  #cancelBatch: (() => void) | null = null

  constructor(deps: CatalogFeedDeps) {
    this.#deps = deps
    deps.transport.onStream(feedProtocol, (stream) => this.#open(stream))
    this.#stops = [
      deps.watchCatalog((delta) => this.#changed(delta)),
      deps.clock.every(heartbeatMs, () => this.#beat()),
    ]
  }

  stop(): void {
    for (const stop of this.#stops) stop()
    this.#cancelBatch?.()
    for (const worker of this.#workers) worker.close()
    this.#workers.clear()
  }

  #open(stream: FrameStream): void {
    const isAdmitted = this.#deps.policy.roleOf(this.#deps.catalog(), stream.peer) !== null
    if (!isAdmitted || !this.#deps.isCurrent()) return stream.close()
    const worker = new WorkerFeed(stream, this.#deps)
    stream.onClose(() => {
      this.#workers.delete(worker)
      worker.close()
    })
    this.#workers.add(worker)
    worker.update()
  }

  #changed({ reset, upserts, removals }: CatalogDelta): void {
    if (!reset && upserts.length === 0 && removals.length === 0) return
    this.#cancelBatch ??= this.#deps.clock.after(batchMs, () => {
      this.#cancelBatch = null
      for (const worker of this.#workers) worker.update()
    })
  }

  #beat(): void {
    if (!this.#deps.isCurrent()) return
    for (const worker of this.#workers) worker.beat()
  }
}

/** What one worker was told, and what it is still to be told. */
class WorkerFeed {
  readonly #stream: FrameStream
  readonly #deps: CatalogFeedDeps
  readonly #told = new Map<string, StoredObject>()
  #outbox: Uint8Array[] = []
  #toldIndex = -1
  #isBehind = false
  #movedMs: number
  #cancelPump: (() => void) | null = null

  constructor(stream: FrameStream, deps: CatalogFeedDeps) {
    this.#stream = stream
    this.#deps = deps
    this.#movedMs = deps.clock.monotonicMs()
  }

  /** Compares its projection of now with what it was told; while it is slow, changes pile into one. */
  update(): void {
    if (this.#outbox.length > 0) {
      this.#isBehind = true
      return
    }
    this.#isBehind = false
    const catalog = this.#deps.catalog()
    if (this.#deps.policy.roleOf(catalog, this.#stream.peer) === null) return this.#refuse()
    const { upserts, removals } = this.#compare(catalog)
    const reset = this.#toldIndex < 0
    const delta = { index: catalog.index, reset, upserts, removals }
    this.#toldIndex = catalog.index
    if (!reset && upserts.length === 0 && removals.length === 0) return
    this.#outbox = cutDelta(delta).map(encodeFeedMessage)
    this.#movedMs = this.#deps.clock.monotonicMs()
    this.#pump()
  }

  #pump(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (let frame = this.#outbox[0]; frame !== undefined; frame = this.#outbox[0]) {
      if (!this.#stream.send(frame)) {
        if (nowMs - this.#movedMs > stuckMs) this.close()
        else this.#pumpLater()
        return
      }
      this.#outbox.shift()
      this.#movedMs = nowMs
    }
    if (this.#isBehind) this.update()
  }

  beat(): void {
    this.update()
    if (this.#outbox.length > 0) return
    this.#stream.send(encodeFeedMessage({ kind: 'heartbeat', index: this.#toldIndex }))
  }

  #pumpLater(): void {
    this.#cancelPump ??= this.#deps.clock.after(batchMs, () => {
      this.#cancelPump = null
      this.#pump()
    })
  }

  close(): void {
    this.#cancelPump?.()
    this.#cancelPump = null
    this.#outbox = []
    this.#isBehind = false
    this.#stream.close()
  }

  #refuse(): void {
    this.#deps.log.info({ node: this.#stream.peer }, 'closed the feed of a node that was removed')
    this.close()
  }

  /** A projected object depends on nothing but the object and the worker, so versions tell enough. */
  #compare(catalog: CatalogReader): { upserts: StoredObject[]; removals: ObjectRef[] } {
    const gone = new Map(this.#told)
    const upserts: StoredObject[] = []
    for (const object of this.#deps.policy.project(catalog, this.#stream.peer)) {
      const key = `${object.kind}/${object.id}`
      gone.delete(key)
      if (this.#told.get(key)?.version === object.version) continue
      this.#told.set(key, object)
      upserts.push(object)
    }
    for (const key of gone.keys()) this.#told.delete(key)
    const removals = [...gone.values()].map(({ kind, id }) => ({ kind, id }))
    return { upserts, removals }
  }
}

/** In pieces that leave room for others on the connection; there is always at least one. */
function cutDelta({ index, reset, upserts, removals }: CatalogDelta): FeedMessage[] {
  const parts: { upserts: StoredObject[]; removals: readonly ObjectRef[] }[] = [
    { upserts: [], removals },
  ]
  let bytes = 0
  for (const object of upserts) {
    const part = parts.at(-1)
    if (part === undefined || bytes >= partBytesAim || part.upserts.length >= partObjectsMax) {
      parts.push({ upserts: [object], removals: [] })
      bytes = 0
    } else {
      part.upserts.push(object)
    }
    bytes += JSON.stringify(object.body).length
  }
  return parts.map((part, at): FeedMessage => {
    const isLast = at === parts.length - 1
    return { kind: 'part', index, reset: reset && at === 0, ...part, isLast }
  })
}
