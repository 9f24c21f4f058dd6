import * as z from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { CatalogDelta, StoredObject } from '../catalog/types.ts'
import { SealedFile } from '../storage/sealed-file.ts'
import { decodeJson, encodeJson, isRefused } from '../wire/frames.ts'
import { storedObject } from '../wire/transaction.ts'

/** A small change is on the disk this much later, and a storm of them costs one writing a time. */
const restMs = 2000
const maxBytes = 128 * 1024 * 1024
const objectsAtOnce = 256

const tableFile = z.object({
  version: z.literal(1),
  index: z.int().nonnegative(),
  objects: z.array(storedObject),
})

const fileOf = (disk: Disk): SealedFile =>
  new SealedFile({ disk, path: 'table.sealed', purpose: 'service table', maxBytes })

/** What this node last knew of the service table; null when that is nothing, or cannot be read. */
export async function loadSavedTable(disk: Disk, log: Log): Promise<CatalogDelta | null> {
  try {
    const bytes = await fileOf(disk).load()
    const table = bytes === null ? null : decodeJson(tableFile, bytes)
    if (table === null) return null
    if (isRefused(table)) throw new MeshError({ code: 'storage/corrupt', what: table.refused })
    return { index: table.index, reset: true, upserts: table.objects, removals: [] }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    // A manager tells everything again.
    log.warn({ fault: error.fault }, 'the saved service table cannot be read')
    return null
  }
}

export const removeSavedTable = (disk: Disk): Promise<void> => fileOf(disk).remove()

export interface TableSaverDeps {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly snapshot: () => CatalogDelta
}

/**
 * Keeps on the disk what a worker knows of the service table, so that it routes after a restart
 * although no manager can be heard. A manager has its log for that.
 */
export class TableSaver {
  readonly #deps: TableSaverDeps
  readonly #file: SealedFile
  #cancel: (() => void) | null = null
  #saving: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(deps: TableSaverDeps) {
    this.#deps = deps
    this.#file = fileOf(deps.disk)
  }

  changed(): void {
    if (this.#cancel !== null || this.#isStopped) return
    this.#cancel = this.#deps.clock.after(restMs, () => {
      this.#cancel = null
      this.#save()
    })
  }

  /** What is not saved yet is saved now. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    if (this.#cancel !== null) this.#save()
    await this.#saving
  }

  #save(): void {
    const { log, snapshot } = this.#deps
    this.#saving = this.#saving
      .then(() => this.#file.save(pieces(snapshot())))
      .then((isSaved) => {
        if (!isSaved) log.error({ maxBytes }, 'the service table is too long to be saved')
      })
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        log.warn({ reason }, 'the service table was not saved')
      })
  }
}

/** As `tableFile` reads it, in pieces: the event loop is not held up by a large one. */
function* pieces({ index, upserts }: CatalogDelta): Generator<Uint8Array> {
  const encoder = new TextEncoder()
  yield encoder.encode(`{"version":1,"index":${index},"objects":[`)
  for (let at = 0; at < upserts.length; at += objectsAtOnce) {
    if (at > 0) yield encoder.encode(',')
    const some: readonly StoredObject[] = upserts.slice(at, at + objectsAtOnce)
    yield encodeJson(some).subarray(1, -1)
  }
  yield encoder.encode(']}')
}
