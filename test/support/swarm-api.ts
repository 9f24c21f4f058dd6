import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ApiNode, ApiService, ApiTask, NodeSpec, ServiceSpec } from '../../src/client/types.ts'

/** What Docker 20.10 speaks, and so do we. */
const prefix = '/v1.41'

/** Docker's API of either side, on its socket: the very same calls go to both. */
export class SwarmApi {
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  async createService(spec: ServiceSpec): Promise<void> {
    await this.call('POST', '/services/create', spec)
  }

  service(name: string): Promise<InspectedService> {
    return this.#get(`/services/${name}`)
  }

  async updateService(service: ApiService, spec: ServiceSpec): Promise<void> {
    await this.call('POST', `/services/${service.ID}/update?version=${service.Version.Index}`, spec)
  }

  async rollBackService({ ID, Version, Spec }: ApiService): Promise<void> {
    const query = `version=${Version.Index}&rollback=previous`
    await this.call('POST', `/services/${ID}/update?${query}`, Spec)
  }

  async removeService(name: string): Promise<void> {
    await this.call('DELETE', `/services/${name}`)
  }

  tasksOf(service: string): Promise<readonly ApiTask[]> {
    const filters = encodeURIComponent(JSON.stringify({ service: [service] }))
    return this.#get(`/tasks?filters=${filters}`)
  }

  nodes(): Promise<readonly ApiNode[]> {
    return this.#get('/nodes')
  }

  async updateNode({ ID, Version }: ApiNode, spec: NodeSpec): Promise<void> {
    await this.call('POST', `/nodes/${ID}/update?version=${Version.Index}`, spec)
  }

  /** The answer's body; rejects with what a refusal says. */
  call(method: string, path: string, body?: object): Promise<string> {
    const sent = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    const headers = { 'Content-Type': 'application/json', 'Content-Length': sent.length }
    const options = { socketPath: this.#socketPath, path: prefix + path, method, headers }
    return new Promise((resolve, reject) => {
      const call = request({ ...options, agent: false, timeout: 30_000 }, (response) => {
        text(response).then((said) => {
          if ((response.statusCode ?? 0) < 300) resolve(said)
          else reject(new Error(`${method} ${path}: ${said}`))
        }, reject)
      })
      call.once('timeout', () => call.destroy(new Error(`${method} ${path}: no answer`)))
      call.once('error', reject)
      call.end(sent)
    })
  }

  async #get<T>(path: string): Promise<T> {
    return JSON.parse(await this.call('GET', path)) as T
  }
}

export interface InspectedService extends ApiService {
  readonly PreviousSpec?: ServiceSpec | null
}
