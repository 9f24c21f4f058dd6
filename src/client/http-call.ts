import { Agent, request, type IncomingMessage } from 'node:http'
import { ClientError } from './client-error.ts'
import type { Endpoint } from './endpoint.ts'

/** The API gives up on a cluster without a leader before that. */
const silenceLimitMs = 30_000
const answerLimitBytes = 256 * 1024 * 1024

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  /** A body that is sent as it is. */
  readonly file?: Uint8Array
  /** Credentials for the registry of an image, as docker's clients send them. */
  readonly registryAuth?: string | null
}

export interface HttpStream {
  readonly contentType: string
  readonly chunks: AsyncIterable<Buffer>
}

/** JSON over HTTP to one daemon; connections are kept for the next call. */
export class HttpCaller implements Disposable {
  readonly #endpoint: Endpoint
  readonly #host: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })
  readonly #streamAgent = new Agent({ keepAlive: false })

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
    this.#host =
      endpoint.kind === 'unix'
        ? `unix://${endpoint.path}`
        : `tcp://${endpoint.host}:${endpoint.port}`
  }

  async call<T>(call: Call): Promise<T> {
    const { status, text } = await this.#exchange(call)
    if (status >= 200 && status < 300) return this.#parse(text) as T
    throw refusalOf(status, text)
  }

  /** An answer that goes on: on a connection of its own, without an end in time. */
  async stream(call: Call): Promise<HttpStream> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const fail = (error: Error): void => reject(this.#unreachable(error))
    const options = {
      ...this.#target(call),
      agent: this.#streamAgent,
      headers: headersFor(undefined),
    }
    const req = request(options, resolve)
    req.on('error', fail)
    req.end()
    const res = await promise
    const status = res.statusCode ?? 0
    if (status !== 200) throw refusalOf(status, await readAll(res))
    return { contentType: res.headers['content-type'] ?? '', chunks: this.#chunks(res) }
  }

  async *#chunks(res: IncomingMessage): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of res) yield chunk as Buffer
    } catch (error) {
      throw this.#unreachable(error instanceof Error ? error : new Error(String(error)))
    } finally {
      res.destroy()
    }
  }

  [Symbol.dispose](): void {
    this.#streamAgent.destroy()
    this.#agent.destroy()
  }

  #exchange(call: Call): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const fail = (error: Error): void => reject(this.#unreachable(error))
    const body = call.file ?? (call.body === undefined ? undefined : JSON.stringify(call.body))
    const req = request(
      { ...this.#target(call), headers: headersFor(body, call.registryAuth) },
      (res) => {
        readAll(res).then((text) => resolve({ status: res.statusCode ?? 0, text }), fail)
      },
    )
    req.on('error', fail)
    req.setTimeout(silenceLimitMs, () => req.destroy(new Error('no answer within 30 s')))
    req.end(body)
    return promise
  }

  #target({ method, path, query = {} }: Call): object {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as [string, string]],
    )
    const search = given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
    const where =
      this.#endpoint.kind === 'unix'
        ? { socketPath: this.#endpoint.path }
        : { host: this.#endpoint.host, port: this.#endpoint.port }
    return { ...where, agent: this.#agent, method, path: `/v1.50${path}${search}` }
  }

  #parse(text: string): unknown {
    if (text.trim() === '') return null
    try {
      return JSON.parse(text)
    } catch {
      throw this.#unreachable(new Error('it does not answer as meshd does'))
    }
  }

  #unreachable(error: Error & { readonly code?: string }): ClientError {
    return new ClientError({ kind: 'unreachable', host: this.#host, reason: reasonOf(error) })
  }
}

const headersFor = (
  body: string | Uint8Array | undefined,
  registryAuth: string | null = null,
): Record<string, string | number> => ({
  host: 'meshd',
  ...(registryAuth !== null && { 'x-registry-auth': registryAuth }),
  ...(body !== undefined && {
    'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream',
    'content-length': Buffer.byteLength(body),
  }),
})

async function readAll(res: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of res) {
    const bytes = chunk as Buffer
    length += bytes.length
    if (length > answerLimitBytes) throw new Error('the answer is larger than 256 MB')
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refusalOf(status: number, text: string): ClientError {
  const parts = partsOf(text)
  const message = parts['message'] ?? `the daemon answered with status ${status}`
  return new ClientError({
    kind: 'refused',
    status,
    code: parts['code'] ?? '',
    what: parts['what'] ?? message,
    why: parts['why'] ?? '',
    hint: parts['hint'] ?? '',
  })
}

function partsOf(text: string): Readonly<Record<string, string | undefined>> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null) return {}
    const entries = Object.entries(parsed).filter(([, value]) => typeof value === 'string')
    return Object.fromEntries(entries) as Record<string, string>
  } catch {
    return {}
  }
}

const knownReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'this user may not open it',
}

const reasonOf = (error: Error & { readonly code?: string }): string =>
  knownReasons[error.code ?? ''] ?? error.message
