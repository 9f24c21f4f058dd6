import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { ApplyResult, CatalogDelta, CatalogReader } from '../catalog/types.ts'
import { CatalogFollower, type CatalogFollowerDeps } from './catalog-follower.ts'
import type { LeaderView } from './mesh-node.ts'
import type { Roster } from './roster.ts'
import type { ServiceTable } from './service-table.ts'

/** What a worker has of the service table: a manager's feed of its projection, and no say in it. */
export class WorkerTable implements ServiceTable {
  readonly #follower: CatalogFollower

  constructor(
    deps: Omit<CatalogFollowerDeps, 'managers'> & { readonly roster: Roster },
    saved: CatalogDelta | null = null,
  ) {
    const managers = (): NodeId[] =>
      deps.roster.members.filter(({ role }) => role === 'manager').map(({ node }) => node)
    this.#follower = new CatalogFollower({ ...deps, managers }, saved)
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

  stop(): Promise<void> {
    this.#follower.stop()
    return Promise.resolve()
  }
}

const unknownLeader: LeaderView = { leader: null, isSelf: false, term: 0 }
