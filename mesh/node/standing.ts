import type { NodeId, NodeRole } from '../base/ids.ts'
import { withAuthorities, type NodeIdentity } from '../identity/node-identity.ts'
import type { RaftId } from '../raft/types.ts'
import type { RenewalIssued } from '../wire/renewal-message.ts'
import { CurrentTable } from './current-table.ts'
import { saveIdentity } from './node-state.ts'
import { clearRaftLog, loadRaftLife, saveRaftLife } from './raft-files.ts'
import { loadSavedTable, removeSavedTable } from './saved-table.ts'
import { openManagerPart, openWorkerPart, type RolePart, type RolePartDeps } from './role-part.ts'

const catchUpCheckMs = 100

/**
 * What this node is in its cluster, and what it runs because of that. A worker that is promoted goes
 * on as one until its log has caught up; a manager that is demoted goes on from what it knew.
 */
export class Standing {
  readonly table: CurrentTable
  readonly #deps: RolePartDeps
  readonly #identityListeners: ((identity: NodeIdentity) => void)[] = []
  #identity: NodeIdentity
  #part: RolePart
  /** A manager's part that is not ready yet. */
  #coming: RolePart | null = null
  #stopWaiting: () => void = () => {}
  #changing: Promise<void> = Promise.resolve()
  #isStopped = false

  private constructor(deps: RolePartDeps, identity: NodeIdentity, part: RolePart) {
    this.#deps = deps
    this.#identity = identity
    this.#part = part
    this.table = new CurrentTable(part.table)
  }

  static async open(deps: RolePartDeps, identity: NodeIdentity): Promise<Standing> {
    if (identity.role === 'manager') {
      const life = await loadRaftLife(deps.disk, deps.self)
      return new Standing(deps, identity, await openManagerPart(deps, life))
    }
    // A demotion may have been cut short.
    await clearRaftLog(deps.disk)
    const saved = await loadSavedTable(deps.disk, deps.log)
    return new Standing(deps, identity, openWorkerPart(deps, saved))
  }

  get identity(): NodeIdentity {
    return this.#identity
  }

  /** What it does now; its certificate may be ahead of that for some moments. */
  get role(): NodeRole {
    return this.#part.role
  }

  get isInTouch(): boolean {
    return this.#part.isInTouch()
  }

  get isCurrent(): boolean {
    return this.#part.isCurrent()
  }

  isRaftMember(node: NodeId): boolean {
    return this.#part.isRaftMember(node)
  }

  /** Called with each new identity. */
  onIdentity(listener: (identity: NodeIdentity) => void): void {
    this.#identityListeners.push(listener)
  }

  /** Becomes what a manager says that this node is; one change after the other. */
  take(reply: RenewalIssued): Promise<void> {
    const change = this.#changing.then(() => this.#take(reply))
    this.#changing = change.catch(() => {})
    return change
  }

  /** From now on these roots count, and no others. */
  trust(caCertificatesPem: readonly string[]): Promise<void> {
    const change = this.#changing.then(async () => {
      if (this.#isStopped) return
      await this.#adopt(withAuthorities(this.#identity, caCertificatesPem))
    })
    this.#changing = change.catch(() => {})
    return change
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#changing
    await this.#dropComing()
    await this.#part.stop()
  }

  async #take({ role, raftId, ...certificates }: RenewalIssued): Promise<void> {
    if (this.#isStopped) return
    const { certificatePem, caCertificatesPem } = certificates
    const known = withAuthorities(this.#identity, caCertificatesPem)
    const identity = { ...known, role, certificatePem }
    if (role === 'worker') await this.#becomeWorker(identity)
    else if ((this.#coming ?? this.#part).raftId === raftId) await this.#adopt(identity)
    else await this.#becomeManager(identity, raftId)
  }

  async #becomeWorker(identity: NodeIdentity): Promise<void> {
    await this.#adopt(identity)
    await this.#retire()
  }

  /** The number first: no log, and no lack of one, may ever be taken for that of a former life. */
  async #becomeManager(identity: NodeIdentity, raftId: RaftId): Promise<void> {
    const { disk, log, clock } = this.#deps
    const life = { raftId, hasLog: false }
    await saveRaftLife(disk, life)
    await this.#retire()
    await this.#adopt(identity)
    log.info({}, 'promoted: catching up with the other managers')
    const coming = await openManagerPart(this.#deps, life)
    this.#coming = coming
    this.#stopWaiting = clock.every(catchUpCheckMs, () => {
      if (this.#hasCaughtUp(coming)) this.#enter(coming)
    })
  }

  async #adopt(identity: NodeIdentity): Promise<void> {
    await saveIdentity(this.#deps.disk, identity)
    this.#identity = identity
    for (const listener of this.#identityListeners) listener(identity)
  }

  /** No manager any more, if it was one: nothing of the log stays. */
  async #retire(): Promise<void> {
    const { policy, self, disk, log } = this.#deps
    await this.#dropComing()
    if (this.#part.role === 'manager') {
      const catalog = this.table.catalog()
      const upserts = policy.project(catalog, self)
      const saved = { index: catalog.index, reset: true, upserts, removals: [] }
      const former = this.#part
      this.#part = openWorkerPart(this.#deps, saved)
      this.table.switchTo(this.#part.table)
      await former.stop()
      log.info({}, 'this node is a worker now')
    }
    await clearRaftLog(disk)
  }

  /** Nobody who watches may be thrown back to older times, or to a table that lacks this node. */
  #hasCaughtUp(coming: RolePart): boolean {
    const { policy, self } = this.#deps
    const catalog = coming.table.catalog()
    const isNewEnough = catalog.index >= this.table.catalog().index
    return isNewEnough && coming.isInTouch() && policy.roleOf(catalog, self) === 'manager'
  }

  #enter(coming: RolePart): void {
    this.#stopWaiting()
    const former = this.#part
    this.#part = coming
    this.#coming = null
    this.table.switchTo(coming.table)
    this.#deps.log.info({}, 'this node is a manager now')
    // It has its log from here on; an old table must not come back after a demotion.
    void former.stop().then(() => removeSavedTable(this.#deps.disk))
  }

  async #dropComing(): Promise<void> {
    this.#stopWaiting()
    const coming = this.#coming
    this.#coming = null
    await coming?.stop()
  }
}
