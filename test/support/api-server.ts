import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../mesh/base/log.ts'
import { createApi, type Api } from '../../src/api/create-api.ts'
import type { ApiDeps, Caller } from '../../src/api/deps.ts'
import { EventLog } from '../../src/api/event-log.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { systemRandom } from '../../src/runtime/system-random.ts'
import { FakeMesh } from './fake-mesh.ts'

/** The API of a fake cluster on a real unix socket. */
export interface ApiServer extends AsyncDisposable {
  readonly mesh: FakeMesh
  readonly api: Api
  readonly events: EventLog
  readonly socketPath: string
  call(method: string, path: string, body?: unknown): Promise<Reply>
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** The body as JSON; null when it is none. */
  readonly json: unknown
}

const nobody = (): never => {
  throw new Error('nobody to dial in this test')
}

export async function startApi(
  overrides: Partial<ApiDeps> = {},
  options: { readonly caller?: Caller; readonly nodes?: readonly string[] } = {},
): Promise<ApiServer> {
  const mesh = new FakeMesh(systemClock, options.nodes)
  const watchView = (listener: () => void): (() => void) => mesh.watchCatalog(() => listener())
  const store = { append: () => {} }
  const eventDeps = { node: mesh, view: mesh.view, watchView, clock: systemClock, store }
  const events = new EventLog([], eventDeps)
  const deps: ApiDeps = {
    node: mesh,
    view: mesh.view,
    watchView,
    events,
    taskLogs: async function* () {},
    engine: { runtime: 'process', socketPath: null },
    version: '0.1.0',
    eventLoopDelayMs: () => 12.5,
    ingressMetrics: () => [],
    ingressPorts: () => [],
    advertiseAddress: '127.0.0.1',
    dataPathPort: 4789,
    dialApi: nobody,
    dialLogs: nobody,
    leave: () => {},
    drawUnlockKey: () => `SWMKEY-1-${'k'.repeat(43)}`,
    joinToken: (_pem, secret) => `SWMTKN-1-digest-${secret}`,
    nextRoot: (given, _catalog, { id }) =>
      given?.certificatesPem === 'BAD'
        ? { refused: 'there is no certificate' }
        : {
            id,
            rootPem: 'NEXT ROOT',
            signerPem: 'NEXT ROOT',
            crossPem: 'CROSS',
            keyPem: 'NEXT KEY',
          },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...overrides,
  }
  const caller = options.caller ?? { kind: 'local' }
  const api = createApi(deps)
  const server = createServer((req, res) => api.request(caller, req, res))
  server.on('upgrade', (req, socket, head) => api.upgrade(caller, req, socket, head))
  const directory = await mkdtemp(join(tmpdir(), 'mesh-api-'))
  const socketPath = join(directory, 'meshd.sock')
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    mesh,
    api,
    events,
    socketPath,
    call: (method, path, body) => callApi(socketPath, { method, path, body }),
    async [Symbol.asyncDispose]() {
      api.close()
      events[Symbol.dispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true })
    },
  }
}

interface Call {
  readonly method: string
  readonly path: string
  /** Strings and buffers go out as they are, the rest as JSON. */
  readonly body?: unknown
}

export function callApi(socketPath: string, { method, path, body }: Call): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', connection: 'close' }
    const req = request({ socketPath, method, path, headers }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('end', () => resolve(reply(res, Buffer.concat(chunks).toString())))
      res.on('error', reject)
    })
    req.on('error', reject)
    if (body === undefined) req.end()
    else req.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
  })
}

function reply(res: IncomingMessage, text: string): Reply {
  let json: unknown = null
  try {
    json = JSON.parse(text)
  } catch {
    // Not every answer is JSON; tests that need it will say so.
  }
  return { status: res.statusCode ?? 0, headers: res.headers, text, json }
}
