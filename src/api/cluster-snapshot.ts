import { isFault } from '../../mesh/base/mesh-error.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import type { ApiContext } from './api-context.ts'
import { conflict, unavailable } from './api-error.ts'
import { isSet, sendJson, type Exchange } from './exchange.ts'
import { readBody } from './request-body.ts'
import { planRestore, restoredKinds } from './restore-plan.ts'
import {
  decodeSnapshot,
  encodeSnapshot,
  takeSnapshot,
  type ClusterSnapshot,
} from './snapshot-file.ts'

const fileLimitBytes = 64 * 1024 * 1024

/** The whole table as a file; with it goes every secret of the cluster. */
export async function saveSnapshot(context: ApiContext, exchange: Exchange): Promise<void> {
  const { catalog } = await context.currentView()
  const { node, clock, log } = context.deps
  const about = { clusterId: node.clusterId, takenAtMs: clock.nowMs() }
  const file = encodeSnapshot(takeSnapshot(catalog, about))
  log.info({ index: catalog.index, bytes: file.length }, 'a snapshot of the cluster was saved')
  exchange.res.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': file.length,
    'cache-control': 'no-store',
  })
  exchange.res.end(file)
}

export async function restoreSnapshot(context: ApiContext, exchange: Exchange): Promise<void> {
  context.refuseOnWorker()
  const snapshot = decodeSnapshot(await readBody(exchange.req, fileLimitBytes))
  const { catalog } = await context.currentView()
  const { node, log } = context.deps
  if (snapshot.clusterId !== node.clusterId) {
    refuseForeign(snapshot, catalog, isSet(exchange.query, 'force'))
  }
  const plan = planRestore(catalog, snapshot, node.clusterId)
  await writeAll(context, plan.batches)
  const { batches, created, updated, removed, missingNodes } = plan
  const facts = { created, updated, removed, takenFromIndex: snapshot.index }
  log.warn({ ...facts, transactions: batches.length }, 'the cluster was restored from a snapshot')
  sendJson(exchange, 200, {
    Created: created,
    Updated: updated,
    Removed: removed,
    MissingNodes: missingNodes,
  })
}

function refuseForeign(snapshot: ClusterSnapshot, catalog: CatalogReader, isForced: boolean): void {
  const held = restoredKinds.flatMap((kind) => catalog.list(kind))
  if (held.length === 0 && isForced) return
  throw conflict(
    'the snapshot is of another cluster',
    held.length === 0
      ? `it is of ${snapshot.clusterId}`
      : `it is of ${snapshot.clusterId}, and this one holds ${held.length} services, secrets and the like`,
    held.length === 0
      ? 'use --force to take over its services; tokens and members stay those of this cluster'
      : 'restore it on an empty cluster, with --force',
  )
}

/** Each is written whole or not at all; restoring once more goes on where this one ended. */
async function writeAll(
  context: ApiContext,
  batches: ReturnType<typeof planRestore>['batches'],
): Promise<void> {
  for (const [at, batch] of batches.entries()) {
    try {
      await context.write(batch)
    } catch (error) {
      if (at === 0 || isFault(error, 'raft/too-large')) throw error
      throw unavailable(
        `the restore stopped after ${at} of ${batches.length} transactions`,
        error instanceof Error ? error.message : String(error),
        'restore the same snapshot again: it goes on where it ended',
      )
    }
  }
}
