import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import { drawId } from '../../mesh/base/ids.ts'
import type { ApplyResult, Change, Refusal } from '../../mesh/catalog/types.ts'
import type { Node } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import { complain, conflict, notFound, notYet, type ApiError } from './api-error.ts'
import type { ApiDeps } from './deps.ts'
import { withoutVersion, type Exchange } from './exchange.ts'
import { forwardedHeader, Gateway } from './gateway.ts'
import { all } from './lookup.ts'
import { apiAddress } from './render.ts'
import { StreamSlots } from './streaming.ts'

/** One second more than the mesh gives itself to find a leader: it answers first, if it can. */
const answerWithinMs = 5_000

const streamLimit = 256

/** What handlers ask of the cluster: reads that are current, writes that are agreed. */
export class ApiContext {
  readonly deps: ApiDeps
  readonly streams = new StreamSlots(streamLimit)
  readonly #gateway = new Gateway()

  constructor(deps: ApiDeps) {
    this.deps = deps
  }

  get isManager(): boolean {
    return this.deps.node.role === 'manager'
  }

  /** As this node knows it now, perhaps stale. */
  localView(): ClusterView {
    return this.deps.view()
  }

  /** Sees every write that was acknowledged before the call. Managers only. */
  async currentView(): Promise<ClusterView> {
    this.refuseOnWorker()
    await this.#within(this.deps.node.barrier(), { code: 'raft/no-leader', unreachable: [] })
    return this.deps.view()
  }

  /** Returns when applied; a refusal of the table becomes the answer that docker would give. */
  async write(changes: readonly Change[]): Promise<number> {
    this.refuseOnWorker()
    const request = drawId(this.deps.random)
    const proposed = this.deps.node.propose(changes, request)
    const result = await this.#within<ApplyResult>(proposed, {
      code: 'raft/outcome-unknown',
      request,
    })
    if (result.kind === 'refused') throw this.#refused(result.refusal)
    return result.index
  }

  /** False when this node has nobody to pass it to: no leader, or the call was passed on before. */
  passToLeader({ req, res }: Exchange): boolean {
    const { leader, isSelf } = this.deps.node.leader()
    if (leader === null || isSelf || req.headers[forwardedHeader] !== undefined) return false
    const route = this.deps.dialApi(leader)
    this.#gateway.toNode(req, res, { ...route, self: this.deps.node.self })
    return true
  }

  passToEngine({ req, res }: Exchange): void {
    this.#gateway.toEngine(req, res, this.#engineCall(req))
  }

  hijackEngine(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    return this.#gateway.hijack(req, socket, { ...this.#engineCall(req), head })
  }

  close(): void {
    this.#gateway.close()
  }

  refuseOnWorker(): void {
    if (this.isManager) return
    const managers = this.managerAddresses()
    const known = managers.length === 0 ? 'none is known here' : managers.join(', ')
    throw complain({
      status: 503,
      code: 'api/not-a-manager',
      what: 'This node is not a swarm manager',
      why: 'workers answer _ping, version, info and their own containers only',
      hint: `ask a manager. Managers: ${known}`,
    })
  }

  managerAddresses(): string[] {
    return all<Node>(this.localView().catalog, 'node')
      .filter(({ body }) => body.Spec.Role === 'manager')
      .map(({ body }) => apiAddress(body))
  }

  #engineCall(req: IncomingMessage): { socketPath: string; path: string } {
    const { socketPath } = this.deps.engine
    if (socketPath !== null) return { socketPath, path: withoutVersion(req.url ?? '/') }
    throw notYet(
      'this node has no container engine to ask',
      'its runtime is `process`; start meshd with --runtime docker',
    )
  }

  #refused(refusal: Refusal): ApiError {
    switch (refusal.code) {
      case 'catalog/claim-taken':
        return claimTaken(refusal.claim, refusal.holder.id, this.deps.view())
      case 'catalog/version-conflict':
        return complain({
          status: 500,
          code: 'api/out-of-sequence',
          what: 'rpc error: code = Unknown desc = update out of sequence',
          why: `version ${refusal.expected} was given, it is at ${refusal.actual}`,
          hint: 'read the object again and repeat the change',
        })
      case 'catalog/not-found':
        return notFound(refusal.ref.kind, refusal.ref.id)
      case 'catalog/exists':
        return conflict(`${refusal.ref.kind} ${refusal.ref.id} exists already`)
    }
  }

  #within<T>(work: Promise<T>, fault: { code: string; [fact: string]: unknown }): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const cancel = this.deps.clock.after(answerWithinMs, () => reject(new MeshError(fault)))
    work.then(resolve, reject).finally(cancel)
    return promise
  }
}

function claimTaken(claim: string, holderId: string, view: ClusterView): ApiError {
  const [what, protocol, number] = claim.split('/')
  const holder = holderName(view, holderId)
  if (what === 'port') {
    return conflict(
      `port ${number}/${protocol} is taken`,
      `service ${holder} publishes it`,
      'choose another published port, or remove that service',
    )
  }
  return conflict(
    `the name ${claim.split('/').slice(2).join('/')} is taken`,
    `it belongs to ${holder}`,
    'choose another name, or remove the other one',
  )
}

function holderName(view: ClusterView, id: string): string {
  const body = view.catalog.get('service', id)?.body as { Spec?: { Name?: string } } | undefined
  const name = body?.Spec?.Name
  return name === undefined ? id : `${name} (${id.slice(0, 12)})`
}
