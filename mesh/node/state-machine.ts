import { setImmediate } from 'node:timers/promises'
import * as z from 'zod'
import { isId, nodeId, type NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import { advanceTo, applyTransaction } from '../catalog/apply-transaction.ts'
import { Catalog, fromSnapshot, snapshotText, type CatalogSnapshot } from '../catalog/catalog.ts'
import type { ApplyResult, CatalogDelta, Transaction } from '../catalog/types.ts'
import type { Entry } from '../raft/types.ts'
import { decodeJson, isRefused } from '../wire/frames.ts'
import { catalogSnapshot, decodeTransaction } from '../wire/transaction.ts'

/** What the log of Raft builds up, on every manager the same. */
export interface AppliedEntry {
  readonly delta: CatalogDelta
  /** Null for an entry without a transaction. */
  readonly outcome: { readonly request: string; readonly result: ApplyResult } | null
}

interface StateFile {
  readonly version: 1
  readonly catalog: CatalogSnapshot
  /** The nodes that Raft's ids stand for. */
  readonly peers: readonly NodeId[]
}

const stateFile: z.ZodType<StateFile> = z.object({
  version: z.literal(1),
  catalog: catalogSnapshot,
  peers: z.array(
    z
      .string()
      .refine(isId)
      .transform((id) => nodeId(id)),
  ),
})

/** What takes a millisecond or two to write out. */
const pieceLength = 64 * 1024

export class StateMachine {
  #catalog = Catalog.empty
  /** What was found readable before it went into the log: a leader need not read it twice. */
  readonly #readable = new WeakMap<Uint8Array, Transaction>()

  get catalog(): Catalog {
    return this.#catalog
  }

  /** Whoever cannot read an entry stops at it, with every start anew: it must not get into the log. */
  refuseUnreadable(data: Uint8Array): void {
    const decoded = decodeTransaction(data)
    if (isRefused(decoded)) {
      throw new MeshError({ code: 'raft/invalid-transaction', reason: decoded.refused })
    }
    this.#readable.set(data, decoded)
  }

  apply(entry: Entry): AppliedEntry {
    if (entry.kind !== 'normal' || entry.data.length === 0) return this.#advance(entry.index)
    const transaction = this.#readable.get(entry.data) ?? decodeTransaction(entry.data)
    if (isRefused(transaction)) {
      // Skipping what others may understand would let this node drift from them for good.
      const reason = transaction.refused
      throw new MeshError({ code: 'raft/unknown-entry', index: entry.index, reason })
    }
    const { catalog, result, delta } = applyTransaction(this.#catalog, transaction, entry.index)
    this.#catalog = catalog
    return { delta, outcome: { request: transaction.request, result } }
  }

  /** Everything as one delta, for whoever begins to listen. */
  toDelta(): CatalogDelta {
    const { index } = this.#catalog
    return { index, reset: true, upserts: this.#catalog.all(), removals: [] }
  }

  /** The state of this moment; a long one is written out piece by piece, and others have their turn. */
  async encode(peers: readonly NodeId[]): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let text = `{"version":1,"peers":${JSON.stringify(peers)},"catalog":`
    for (const part of snapshotText(this.#catalog)) {
      text += part
      if (text.length < pieceLength) continue
      pieces.push(Buffer.from(text))
      text = ''
      await setImmediate()
    }
    pieces.push(Buffer.from(`${text}}`))
    return Buffer.concat(pieces)
  }

  /** Takes over a whole state; answers with the nodes that it knows of. */
  restore(data: Uint8Array): readonly NodeId[] {
    const state = decodeJson(stateFile, data)
    if (isRefused(state)) {
      throw new MeshError({ code: 'raft/unknown-snapshot', reason: state.refused })
    }
    this.#catalog = fromSnapshot(state.catalog)
    return state.peers
  }

  #advance(index: number): AppliedEntry {
    this.#catalog = advanceTo(this.#catalog, index)
    return { delta: { index, reset: false, upserts: [], removals: [] }, outcome: null }
  }
}
