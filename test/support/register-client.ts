import { Agent, request } from 'node:http'

/** What came back on a call: an answer, nothing because nothing was sent, or nobody knows. */
type Reply =
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'not-sent' }
  | { readonly kind: 'lost' }

export interface Held {
  readonly id: string
  readonly version: number
  readonly value: string
}

export type ReadOutcome =
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'absent' }
  /** Nothing was read. */
  | { readonly kind: 'nothing' }

export type WriteOutcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused' }
  /** It was certainly not written, for want of a daemon or of a leader. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unknown' }

const timeoutMs = 8000
const valueLabel = 'value'
const notSent = new Set(['ECONNREFUSED', 'ENOENT'])
/** Faults whose words say that nothing was written. */
const unwritten = new Set(['raft/no-leader', 'raft/overloaded'])

/**
 * A service without replicas as a register: a label is its value, the version that an update names
 * makes it a compare-and-set. Asks one daemon on its unix socket.
 */
export class RegisterClient {
  readonly #socketPath: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 })

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  close(): void {
    this.#agent.destroy()
  }

  async read(reference: string): Promise<ReadOutcome> {
    const reply = await this.#call('GET', `/services/${reference}`)
    if (reply.kind !== 'answer' || reply.status === 503) return { kind: 'nothing' }
    if (reply.status === 404) return { kind: 'absent' }
    if (reply.status !== 200) throw unexpected('read', reply)
    const { ID, Version, Spec } = reply.body as ServiceBody
    const value = Spec.Labels[valueLabel] ?? ''
    return { kind: 'held', held: { id: ID, version: Version.Index, value } }
  }

  async create(name: string, value: string): Promise<WriteOutcome> {
    const reply = await this.#call('POST', '/services/create', specOf(name, value))
    return this.#written('create', reply, (status) => status === 409)
  }

  async swap(name: string, held: Held, value: string): Promise<WriteOutcome> {
    const path = `/services/${held.id}/update?version=${held.version}`
    const reply = await this.#call('POST', path, specOf(name, value))
    // Nobody removes a register: where one is missing, that is for the checker to find.
    const refusals = ['api/out-of-sequence', 'api/not-found']
    return this.#written('swap', reply, (_, code) => refusals.includes(code))
  }

  /** Whether the daemon is an active member by its own word. */
  async isActive(): Promise<boolean> {
    const reply = await this.#call('GET', '/info')
    if (reply.kind !== 'answer' || reply.status !== 200) return false
    return (reply.body as InfoBody).Swarm.LocalNodeState === 'active'
  }

  #written(
    what: string,
    reply: Reply,
    isRefusal: (status: number, code: string) => boolean,
  ): WriteOutcome {
    if (reply.kind === 'not-sent') return { kind: 'nothing' }
    if (reply.kind === 'lost') return { kind: 'unknown' }
    const { status, body } = reply
    if (status === 200 || status === 201) return { kind: 'taken' }
    const { code } = body as { readonly code: string }
    if (isRefusal(status, code)) return { kind: 'refused' }
    if (status !== 503) throw unexpected(what, reply)
    return { kind: unwritten.has(code) ? 'nothing' : 'unknown' }
  }

  #call(method: string, path: string, body?: unknown): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>()
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': text.length }
    const asked = request({
      socketPath: this.#socketPath,
      agent: this.#agent,
      timeout: timeoutMs,
      method,
      path,
      ...(body === undefined ? {} : { headers }),
    })
    asked.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', () => resolve({ kind: 'lost' }))
      response.once('end', () => {
        if (!response.complete) return resolve({ kind: 'lost' })
        const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
        resolve({ kind: 'answer', status: response.statusCode ?? 0, body: answer })
      })
    })
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    asked.once('error', (error: NodeJS.ErrnoException) => {
      resolve({ kind: notSent.has(error.code ?? '') ? 'not-sent' : 'lost' })
    })
    asked.end(text)
    return promise
  }
}

interface ServiceBody {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly Spec: { readonly Labels: Readonly<Record<string, string>> }
}

interface InfoBody {
  readonly Swarm: { readonly LocalNodeState: string }
}

const specOf = (name: string, value: string): unknown => ({
  Name: name,
  Labels: { [valueLabel]: value },
  TaskTemplate: { ContainerSpec: { Image: 'meshd/whoami' } },
  Mode: { Replicated: { Replicas: 0 } },
})

const unexpected = (what: string, reply: Reply): Error =>
  new Error(`${what} was answered in a way that no client expects: ${JSON.stringify(reply)}`)
