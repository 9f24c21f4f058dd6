import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'

/** Answers clients just enough that they say what they want of a service, and writes that down. */
export class RecordedApi implements AsyncDisposable {
  readonly socketPath: string
  /** Bodies that were posted, and how they were asked for. */
  readonly posted: { readonly path: string; readonly body: unknown }[] = []
  /** What a client finds that asks for any service. */
  spec: unknown = {}
  readonly #dir: string
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  private constructor(dir: string) {
    this.#dir = dir
    this.socketPath = join(dir, 'docker.sock')
  }

  static async start(): Promise<RecordedApi> {
    const api = new RecordedApi(await mkdtemp(join(tmpdir(), 'recorded-')))
    await new Promise<void>((resolve) => api.#server.listen(api.socketPath, resolve))
    return api
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.#dir, { recursive: true })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Api-Version', '1.50')
    response.setHeader('Content-Type', 'application/json')
    const path = (request.url ?? '').replace(/^\/v\d+\.\d+/, '')
    if (request.method === 'POST') {
      this.posted.push({ path, body: await json(request) })
      response.end(JSON.stringify({ ID: 'x'.repeat(25) }))
    } else if (path.startsWith('/services/')) {
      const service = { ID: 'x'.repeat(25), Version: { Index: 7 }, Spec: this.spec }
      response.end(JSON.stringify(service))
    } else response.end('{}')
  }
}
