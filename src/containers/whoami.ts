/**
 * The built-in image `meshd/whoami`: an HTTP server that says who answers and who asked, one
 * `name: value` a line. It runs as a program of its own and imports only Node and its neighbour.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { formatEndpoint, maxPrefaceBytes, parsePreface } from './proxy-preface.ts'

export interface WhoamiOptions {
  readonly port: number
  /** All addresses when it is null. */
  readonly host: string | null
  readonly facts: Readonly<Record<'task' | 'slot' | 'node', string>>
}

export interface Whoami {
  readonly server: Server
  /** No new connections; open ones get `Connection: close` with their next answer. */
  end(): void
}

const prefaceTimeoutMs = 5_000
// Longer than proxies keep theirs (nginx 60 s), so that they, who know, are the ones who hang up.
const keepAliveTimeoutMs = 75_000

/** Listens at once; the server's `close` event comes when it was ended and the last one hung up. */
export function serveWhoami({ port, host, facts }: WhoamiOptions): Whoami {
  const clients = new WeakMap<Socket, string>()
  let isEnding = false
  const http = createServer((request, response) => {
    if (isEnding) response.setHeader('Connection', 'close')
    const client = clients.get(request.socket) ?? ''
    request.resume()
    request.once('end', () => answer(request, response, { ...facts, client }))
  })
  http.keepAliveTimeout = keepAliveTimeoutMs
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    readPreface(socket, (client) => {
      clients.set(socket, client)
      http.emit('connection', socket)
    })
  })
  const end = (): void => {
    isEnding = true
    server.close()
  }
  server.listen(host === null ? { port } : { port, host })
  return { server, end }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  facts: WhoamiOptions['facts'] & { readonly client: string },
): void {
  const { task, slot, node, client } = facts
  const lines = [`task: ${task}`, `slot: ${slot}`, `node: ${node}`, `client: ${client}`]
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    lines.push(`${request.rawHeaders[at]?.toLowerCase()}: ${request.rawHeaders[at + 1]}`)
  }
  const body = Buffer.from(`${lines.join('\n')}\n`, 'latin1')
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length })
  response.end(body)
}

/** Takes the preface, if there is one, off a fresh connection; what follows goes back into it. */
function readPreface(socket: Socket, ready: (client: string) => void): void {
  const peer = formatEndpoint(socket.remoteAddress ?? '', socket.remotePort ?? 0)
  let read: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), prefaceTimeoutMs)
  const settle = (): void => {
    clearTimeout(timer)
    socket.off('readable', look)
    socket.off('end', hangUp)
    socket.off('error', hangUp)
  }
  const hangUp = (): void => void socket.destroy()
  const look = (): void => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    read = Buffer.concat([read, chunk])
    const preface = parsePreface(read)
    if (preface.kind === 'incomplete' && read.length < maxPrefaceBytes) return
    settle()
    if (preface.kind === 'malformed' || preface.kind === 'incomplete') return hangUp()
    const length = preface.kind === 'present' ? preface.length : 0
    const source = preface.kind === 'present' ? preface.source : null
    if (read.length > length) socket.unshift(read.subarray(length))
    ready(source ?? peer)
  }
  socket.on('error', hangUp)
  socket.on('readable', look)
  socket.on('end', hangUp)
  socket.once('close', () => clearTimeout(timer))
}

function main(environment: NodeJS.ProcessEnv): void {
  const whoami = serveWhoami({
    port: Number(environment['PORT'] ?? 80),
    host: environment['HOST'] ?? null,
    facts: {
      task: environment['MESH_TASK'] ?? '',
      slot: environment['MESH_SLOT'] ?? '',
      node: environment['MESH_NODE'] ?? '',
    },
  })
  whoami.server.once('error', (error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
  process.once('SIGTERM', () => whoami.end())
  process.once('SIGINT', () => whoami.end())
}

if (import.meta.main) main(process.env)
