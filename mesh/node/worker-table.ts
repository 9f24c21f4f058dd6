import type { Disk } from '../base/disk.ts'
import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { ApplyResult, CatalogDelta, CatalogReader } from '../catalog/types.ts'
import { CatalogFollower, type CatalogFollowerDeps } from './catalog-follower.ts'
import type { LeaderView } from './mesh-node.ts'
import type { Roster } from './roster.ts'
import type { ServiceTable } from './service-table.ts'
import { TableSaver } from './saved-table.ts'

/** What a worker has of the service table: a manager's feed of its projection, and no say in it. */
export class WorkerTable implements ServiceTable {
  readonly #follower: CatalogFollower
  readonly #saver: TableSaver
  readonly #stopSaving: () => void

  /** `saved` is what this node knew before. */
  constructor(
    deps: Omit<CatalogFollowerDeps, 'managers'> & { readonly roster: Roster; readonly disk: Disk },
    saved: CatalogDelta | null = null,
  ) {
    const managers = (): NodeId[] =>
      deps.roster.members.filter(({ role }) => role === 'manager').map(({ node }) => node)
    this.#follower = new CatalogFollower({ ...deps, managers }, saved)
    this.#saver = new TableSaver({ ...deps, snapshot: () => this.#follower.snapshot() })
    this.#stopSaving = this.#follower.watchCatalog(({ index, upserts, removals }) => {
      if (index > 0 && upserts.length + removals.length > 0) this.#saver.changed()
    })
  }

  /** What it holds was heard in this life, not only read from the disk. */
  get isCurrent(): boolean {
    return this.#follower.isCurrent
  }

  /** A manager tells us of changes. */
  get isFed(): boolean {
    return this.#follower.manager() !== null
  }

  catalog(): CatalogReader {
    return this.#follower.catalog()
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    return this.#follower.watchCatalog(listener)
  }

  propose(): Promise<ApplyResult> {
    return Promise.reject(new MeshError({ code: 'raft/not-a-manager' }))
  }

  barrier(): Promise<void> {
    return Promise.reject(new MeshError({ code: 'raft/not-a-manager' }))
  }

  leader(): LeaderView {
    return unknownLeader
  }

  watchLeader(listener: (view: LeaderView) => void): () => void {
    listener(unknownLeader)
    return () => {}
  }

  handOver(): Promise<void> {
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#follower.stop()
    this.#stopSaving()
    await this.#saver.stop()
  }
}

const unknownLeader: LeaderView = { leader: null, isSelf: false, term: 0 }
