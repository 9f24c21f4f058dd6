import type { Endpoint } from './endpoint.ts'
import { HttpCaller } from './http-call.ts'
import { readBareLog, readLogFrames, type LogFrame } from './log-frames.ts'
import { readLines } from './read-lines.ts'
import type {
  ApiEvent,
  ApiInfo,
  ApiIngress,
  ApiNode,
  ApiService,
  ApiSwarm,
  ApiTask,
  EventOptions,
  Explanation,
  Filters,
  ImageDistribution,
  LogOptions,
  LogSubject,
  NodeSpec,
  Restored,
  ServiceSpec,
} from './types.ts'

/** All that meshctl knows of the daemon. Every method rejects with `ClientError`. */
export class MeshClient implements Disposable {
  readonly #http: HttpCaller

  constructor(endpoint: Endpoint) {
    this.#http = new HttpCaller(endpoint)
  }

  info(): Promise<ApiInfo> {
    return this.#http.call({ method: 'GET', path: '/info' })
  }

  nodes(filters: Filters = {}): Promise<ApiNode[]> {
    return this.#http.call({ method: 'GET', path: '/nodes', query: filterQuery(filters) })
  }

  /** By id, name, start of an id, or `self`. */
  node(reference: string): Promise<ApiNode> {
    return this.#http.call({ method: 'GET', path: `/nodes/${encodeURIComponent(reference)}` })
  }

  async updateNode(id: string, version: number, spec: NodeSpec): Promise<void> {
    const query = { version: String(version) }
    await this.#http.call({ method: 'POST', path: `/nodes/${id}/update`, query, body: spec })
  }

  async removeNode(reference: string, isForced: boolean): Promise<void> {
    const query = { force: isForced ? '1' : undefined }
    const path = `/nodes/${encodeURIComponent(reference)}`
    await this.#http.call({ method: 'DELETE', path, query })
  }

  swarm(): Promise<ApiSwarm> {
    return this.#http.call({ method: 'GET', path: '/swarm' })
  }

  /** The node that is asked leaves; it answers before it ends. */
  async leaveSwarm(isForced: boolean): Promise<void> {
    const query = { force: isForced ? '1' : undefined }
    await this.#http.call({ method: 'POST', path: '/swarm/leave', query })
  }

  async rotateJoinToken(swarm: ApiSwarm, role: 'manager' | 'worker'): Promise<void> {
    const flag = role === 'manager' ? 'rotateManagerToken' : 'rotateWorkerToken'
    const query = { version: String(swarm.Version.Index), [flag]: 'true' }
    await this.#http.call({ method: 'POST', path: '/swarm/update', query, body: swarm.Spec })
  }

  /** The spec whole, as it was read but for what is to change. */
  async updateSwarm(swarm: ApiSwarm, spec: ApiSwarm['Spec']): Promise<void> {
    const query = { version: String(swarm.Version.Index) }
    await this.#http.call({ method: 'POST', path: '/swarm/update', query, body: spec })
  }

  /** Empty while managers do not lock their keys. */
  async unlockKey(): Promise<string> {
    const path = '/swarm/unlockkey'
    return (await this.#http.call<{ UnlockKey: string }>({ method: 'GET', path })).UnlockKey
  }

  async rotateUnlockKey(swarm: ApiSwarm): Promise<void> {
    const query = { version: String(swarm.Version.Index), rotateManagerUnlockKey: 'true' }
    await this.#http.call({ method: 'POST', path: '/swarm/update', query, body: swarm.Spec })
  }

  /** Begins it; the change takes the cluster about half a minute. */
  async rotateGossipKey(): Promise<void> {
    await this.#http.call({ method: 'POST', path: '/mesh/gossip-key/rotate' })
  }

  /** The one node that is asked. */
  async unlock(key: string): Promise<void> {
    const body = { UnlockKey: key }
    await this.#http.call({ method: 'POST', path: '/swarm/unlock', body })
  }

  /** The table of the cluster as a file, with all its secrets. */
  async saveSnapshot(): Promise<Buffer> {
    const { chunks } = await this.#http.stream({ method: 'GET', path: '/mesh/snapshot' })
    const parts: Buffer[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return Buffer.concat(parts)
  }

  restoreSnapshot(file: Uint8Array, isForced: boolean): Promise<Restored> {
    const query = { force: isForced ? '1' : undefined }
    return this.#http.call({ method: 'POST', path: '/mesh/snapshot', query, file })
  }

  services(filters: Filters = {}): Promise<ApiService[]> {
    const query = { ...filterQuery(filters), status: 'true' }
    return this.#http.call({ method: 'GET', path: '/services', query })
  }

  service(reference: string, options: { insertDefaults?: boolean } = {}): Promise<ApiService> {
    const query = { insertDefaults: options.insertDefaults ? 'true' : undefined }
    const path = `/services/${encodeURIComponent(reference)}`
    return this.#http.call({ method: 'GET', path, query })
  }

  createService(
    spec: ServiceSpec,
    registryAuth: string | null = null,
  ): Promise<{ readonly ID: string }> {
    return this.#http.call({ method: 'POST', path: '/services/create', body: spec, registryAuth })
  }

  /** What a registry says of an image, as the daemon's engine asks it. */
  distribution(image: string, registryAuth: string | null): Promise<ImageDistribution> {
    const path = `/distribution/${encodeURI(image)}/json`
    return this.#http.call({ method: 'GET', path, registryAuth })
  }

  async updateService(
    id: string,
    version: number,
    change: { readonly spec: ServiceSpec; readonly registryAuth?: string | null },
  ): Promise<void> {
    const { spec: body, registryAuth = null } = change
    const query = { version: String(version) }
    const path = `/services/${id}/update`
    await this.#http.call({ method: 'POST', path, query, body, registryAuth })
  }

  /** To the spec before the last change; `spec` is the one to go back from. */
  async rollBackService(id: string, version: number, spec: ServiceSpec): Promise<void> {
    const query = { version: String(version), rollback: 'previous' }
    await this.#http.call({ method: 'POST', path: `/services/${id}/update`, query, body: spec })
  }

  async removeService(reference: string): Promise<void> {
    const path = `/services/${encodeURIComponent(reference)}`
    await this.#http.call({ method: 'DELETE', path })
  }

  /** Why tasks of the service have no node yet. */
  explain(id: string): Promise<Explanation> {
    return this.#http.call({ method: 'GET', path: `/services/${id}/explanation` })
  }

  tasks(filters: Filters = {}): Promise<ApiTask[]> {
    return this.#http.call({ method: 'GET', path: '/tasks', query: filterQuery(filters) })
  }

  task(reference: string): Promise<ApiTask> {
    return this.#http.call({ method: 'GET', path: `/tasks/${encodeURIComponent(reference)}` })
  }

  /** Docker's messages, whole: with their time and details when those were asked for. */
  async *logs(of: LogSubject, options: LogOptions): AsyncGenerator<LogFrame> {
    const path = `/${of.kind}s/${encodeURIComponent(of.id)}/logs`
    const { since, until, tail } = options
    const query = {
      stdout: '1',
      stderr: '1',
      follow: flag(options.follow),
      timestamps: flag(options.timestamps),
      details: flag(options.details),
      tail,
      since,
      until,
    }
    const { contentType, chunks } = await this.#http.stream({ method: 'GET', path, query })
    const isFramed = contentType.includes('multiplexed')
    yield* isFramed ? readLogFrames(chunks) : readBareLog(chunks)
  }

  /** What every node listens on; those that cannot be asked say why. */
  ingress(): Promise<ApiIngress[]> {
    return this.#http.call({ method: 'GET', path: '/mesh/ingress' })
  }

  /** What happens in the cluster, until `until`. */
  async *events(options: EventOptions): AsyncGenerator<ApiEvent> {
    const { since, until, filters = {} } = options
    const query = { since, until, ...filterQuery(filters) }
    const { chunks } = await this.#http.stream({ method: 'GET', path: '/events', query })
    for await (const line of readLines(chunks)) yield JSON.parse(line) as ApiEvent
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]()
  }
}

const flag = (isSet: boolean): string | undefined => (isSet ? '1' : undefined)

function filterQuery(filters: Filters): { filters: string | undefined } {
  const isEmpty = Object.keys(filters).length === 0
  return { filters: isEmpty ? undefined : JSON.stringify(filters) }
}
