import { Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import httpProxy from 'http-proxy'
import { badRequest, unavailable, type ApiError } from './api-error.ts'
import { sendComplaint } from './exchange.ts'
import { readBody } from './request-body.ts'

/**
 * Passes whole calls on: to the node's own container engine and to the leader's API. Never on the
 * data path. http-proxy is hardened here against what is known of it: see each step.
 */
export class Gateway {
  readonly #proxy: httpProxy
  readonly #engineAgent = new Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 4 })
  /** Bodies of upgrade requests, read before http-proxy sees the request (it would drop them). */
  readonly #hijackBodies = new WeakMap<IncomingMessage, Buffer>()

  constructor() {
    this.#proxy = httpProxy.createProxyServer({ xfwd: false, ws: true })
    const passes = this.#proxy as unknown as Passes
    // `deleteLength` turns a chunked DELETE into a smuggled second request (CVE-2026-29057).
    passes.webPasses = passes.webPasses.filter((pass) => pass.name !== 'deleteLength')
    // Docker hijacks with POST and `Upgrade: tcp`; the check admits only GET and websocket.
    passes.wsPasses = passes.wsPasses.filter((pass) => pass.name !== 'checkMethodAndHeader')
    // It hears of no client that goes away once its body is read, and would leak the upstream.
    this.#proxy.on('proxyReq', (proxyReq, _req, res) => {
      res.on('close', () => res.writableFinished || proxyReq.destroy())
    })
    // Nor of an upstream that breaks off in the middle: the client must not take it for the end.
    this.#proxy.on('proxyRes', (proxyRes, _req, res) => {
      stripResponse(proxyRes)
      // Ours to decide, for this hop; http-proxy would always say keep-alive.
      proxyRes.headers.connection = res.shouldKeepAlive ? 'keep-alive' : 'close'
      proxyRes.on('close', () => proxyRes.complete || res.destroy())
    })
    this.#proxy.on('proxyReqWs', (proxyReq, req, socket) => {
      const body = this.#hijackBodies.get(req)
      if (body !== undefined && body.length > 0) proxyReq.write(body)
      socket.on('close', () => proxyReq.destroy())
      proxyReq.on('upgrade', (_res, upstream) => {
        socket.on('close', () => upstream.destroy())
        upstream.on('close', () => socket.end())
      })
    })
  }

  toEngine(req: IncomingMessage, res: ServerResponse, call: EngineCall): void {
    req.url = call.path
    this.#web(req, res, {
      target: { socketPath: call.socketPath } as unknown as httpProxy.ServerOptions['target'] & {},
      agent: this.#engineAgent,
      headers: { host: 'docker' },
      unreachable: engineIsAway,
    })
  }

  toNode(req: IncomingMessage, res: ServerResponse, call: NodeCall): void {
    this.#web(req, res, {
      target: call.target,
      agent: call.agent,
      // The agent verifies the peer by hand, on resumed sessions too.
      secure: false,
      headers: { [forwardedHeader]: call.self },
      unreachable: (reason) =>
        unavailable('the leader could not be reached', reason, 'try again in a moment'),
    })
  }

  /** `exec` and `attach`: the connection becomes a raw stream to the engine. */
  async hijack(req: IncomingMessage, socket: Duplex, call: HijackCall): Promise<void> {
    socket.on('error', () => socket.destroy())
    this.#hijackBodies.set(req, await readBody(req))
    stripRequest(req, true)
    req.url = call.path
    const target = {
      socketPath: call.socketPath,
    } as unknown as httpProxy.ServerOptions['target'] & {}
    this.#proxy.ws(req, socket, call.head, { target, headers: { host: 'docker' } }, (error) => {
      refuseUpgrade(socket, engineIsAway(error.message))
    })
  }

  close(): void {
    this.#engineAgent.destroy()
    this.#proxy.removeAllListeners()
  }

  #web(req: IncomingMessage, res: ServerResponse, options: WebOptions): void {
    const { unreachable, ...target } = options
    stripRequest(req, false)
    const fail = (error: Error): void => answerFault(res, unreachable(error.message))
    try {
      this.#proxy.web(req, res, target, fail)
    } catch (error) {
      // Header values that Node's client refuses throw right here.
      const reason = error instanceof Error ? error.message : String(error)
      answerFault(res, badRequest('the request cannot be passed on', reason))
    }
  }
}

export const forwardedHeader = 'x-mesh-forwarded-by'

interface EngineCall {
  readonly socketPath: string
  /** Without the version prefix: the engine may be older than the API that we speak. */
  readonly path: string
}

interface HijackCall extends EngineCall {
  readonly head: Buffer
}

interface NodeCall {
  readonly target: string
  readonly agent: Agent
  readonly self: string
}

type WebOptions = httpProxy.ServerOptions & {
  readonly unreachable: (reason: string) => ApiError
}

type Pass = (...given: unknown[]) => unknown

interface Passes {
  webPasses: Pass[]
  wsPasses: Pass[]
}

const engineIsAway = (reason: string): ApiError =>
  unavailable("this node's container engine does not answer", reason, 'start docker on this node')

/** Says why on a connection that was to become a stream, and closes it. */
export function refuseUpgrade(socket: Duplex, error: ApiError): void {
  if (socket.destroyed || !socket.writable) return
  const body = `${JSON.stringify({ message: error.message })}\n`
  const head = `HTTP/1.1 ${error.complaint.status} Refused\r\ncontent-type: application/json\r\n`
  const length = `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`
  socket.end(`${head}${length}${body}`)
}

function answerFault(res: ServerResponse, error: ApiError): void {
  if (res.headersSent) res.destroy()
  else sendComplaint({ res }, error.complaint)
}

const hopByHop = [
  'connection',
  // Answered by our own server already; http-proxy would skip its hooks for such a call.
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
]

/** What belongs to one connection stays on it; a `Trailer` would even crash the process. */
function stripRequest(req: IncomingMessage, keepsUpgrade: boolean): void {
  const { upgrade } = req.headers
  for (const name of namesToStrip(req)) delete req.headers[name]
  if (!keepsUpgrade || upgrade === undefined) return
  req.headers.connection = 'Upgrade'
  req.headers.upgrade = upgrade
}

function stripResponse(response: IncomingMessage): void {
  for (const name of namesToStrip(response)) delete response.headers[name]
}

function namesToStrip(message: IncomingMessage): string[] {
  const nominated = (message.headers.connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    // Nominating these would change what the message means, not how it travels.
    .filter((name) => !['content-length', 'transfer-encoding', 'host', ''].includes(name))
  return [...hopByHop, ...nominated]
}
