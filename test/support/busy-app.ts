/**
 * What a service under load runs as a process: it answers requests with its pid, counts what is
 * uploaded, and echoes over WebSocket. Told to end, it lets everybody finish what they began.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The words that run it. */
export const busyApp: readonly string[] = [process.execPath, import.meta.filename]

const webSocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const textFrame = 0x81
const closeFrame = 0x88
const goingAway = Buffer.from([0x03, 0xe9])

function serve(port: number, host: string): void {
  const silent = new Set<Socket>()
  const webSockets = new Set<Duplex>()
  let isEnding = false
  const http = createServer((request, response) => {
    silent.delete(request.socket)
    if (isEnding) response.setHeader('Connection', 'close')
    answer(request, response)
  })
  http.keepAliveTimeout = 75_000
  http.requestTimeout = 0
  // An HTTP server that closes hangs up on clients that were not told; this one does not.
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
    http.emit('connection', socket)
  })
  http.on('upgrade', (request, socket) => {
    silent.delete(request.socket)
    webSockets.add(socket)
    socket.once('close', () => webSockets.delete(socket))
    echo(request, socket)
    if (isEnding) socket.write(frame(closeFrame, goingAway))
  })
  process.once('SIGTERM', () => {
    isEnding = true
    server.close()
    for (const socket of webSockets) socket.write(frame(closeFrame, goingAway))
    for (const socket of silent) socket.destroy()
  })
  server.listen(port, host)
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  let received = 0
  request.on('data', (piece: Buffer) => (received += piece.length))
  request.once('end', () => response.end(`pid: ${process.pid}\nreceived: ${received}\n`))
}

/** Frames of at most 125 bytes: no client here sends longer ones. */
function echo(request: IncomingMessage, socket: Duplex): void {
  const key = `${request.headers['sec-websocket-key']}${webSocketGuid}`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let read = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (piece: Buffer) => {
    read = Buffer.concat([read, piece])
    for (;;) {
      const length = (read[1] ?? 0) & 0x7f
      if (read.length < 6 + length) return
      const mask = read.subarray(2, 6)
      const text = read.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
      const isClose = read[0] === closeFrame
      read = read.subarray(6 + length)
      if (isClose) return void socket.end(frame(closeFrame, text))
      socket.write(frame(textFrame, text))
    }
  })
}

const frame = (kind: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([kind, payload.length]), payload])

if (import.meta.main) serve(Number(process.env['PORT']), process.env['HOST'] ?? '127.0.0.1')
