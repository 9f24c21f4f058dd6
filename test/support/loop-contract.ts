import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type {
  Acceptor,
  CloseCause,
  Conn,
  ConnectionHandler,
  Loop,
  Slab,
} from '../../src/ingress/loop.ts'

const host = '127.0.0.1'

/** Everything that the relay, the tunnel and HTTP expect of a loop, whatever drives it. */
export function loopContract(name: string, makeLoop: () => Loop): void {
  describe(`${name} as a loop`, () => {
    let loop: Loop
    const opened: (Socket | Server)[] = []

    beforeEach(() => {
      loop = makeLoop()
    })

    afterEach(() => {
      loop.stop()
      for (const each of opened.splice(0)) {
        if ('destroy' in each) each.destroy()
        else each.close()
      }
    })

    const client = (port: number): Socket => {
      const socket = connect({ host, port, allowHalfOpen: true })
      socket.on('error', () => {})
      opened.push(socket)
      return socket
    }

    const server = async (onSocket: (socket: Socket) => void): Promise<number> => {
      const made = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {})
        opened.push(socket)
        onSocket(socket)
      })
      opened.push(made)
      made.listen(0, host)
      await once(made, 'listening')
      return (made.address() as AddressInfo).port
    }

    test('accepts, knows both addresses, and receives what was sent in order', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      socket.end('hello')
      const end = await accepted
      await end.ended
      assert.equal(end.text(), 'hello')
      assert.deepEqual(loop.remoteAddress(end.conn), end.remote)
      assert.equal(end.remote.host, host)
      assert.equal(loop.localAddress(end.conn).port, port)
    })

    test('says that a dial was refused, once, as its only event', async () => {
      const port = await freePort()
      const end = new Recorder(loop)
      loop.connect({ host, port }, end, 2000)
      assert.equal(await end.closed, 'refused')
      assert.equal(end.isConnected, false)
    })

    test('goes on receiving after its own half-close', async () => {
      const port = await server((socket) => {
        socket.on('data', () => {})
        socket.on('end', () => socket.end('late answer'))
      })
      const end = new Recorder(loop)
      const conn = loop.connect({ host, port }, end, 2000)
      await end.connected
      sendText(loop, conn, 'question')
      loop.shutdown(conn)
      loop.resume(conn)
      assert.equal(await end.closed, 'ended')
      assert.equal(end.text(), 'late answer')
    })

    test("goes on sending after the peer's half-close", async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      socket.end('question')
      const end = await accepted
      await end.ended
      sendText(loop, end.conn, 'late answer')
      loop.shutdown(end.conn)
      const answer = await readAll(socket)
      assert.equal(answer.toString(), 'late answer')
      assert.equal(await end.closed, 'ended')
    })

    test('a reset reaches the peer as a reset', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>
      const end = await accepted
      loop.reset(end.conn)
      const [error] = await failed
      assert.equal(error.code, 'ECONNRESET')
    })

    test("the peer's reset is told as one", async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      const end = await accepted
      socket.resetAndDestroy()
      assert.equal(await end.closed, 'reset')
    })

    test('no event follows a reset of our own', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      const end = await accepted
      socket.write('too late')
      loop.reset(end.conn)
      await new Promise((resolve) => void socket.once('close', resolve))
      await turn()
      assert.equal(end.text(), '')
      assert.equal(end.isClosed, false)
    })

    test('close sends what is queued first', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      const end = await accepted
      sendText(loop, end.conn, 'goodbye')
      loop.close(end.conn)
      const answer = await readAll(socket)
      assert.equal(answer.toString(), 'goodbye')
    })

    test('a paused connection delivers nothing until it is resumed', async () => {
      const { port, accepted } = await listen(loop, { isPaused: true })
      const socket = client(port)
      socket.write('waits')
      const end = await accepted
      for (let at = 0; at < 5; at++) await turn()
      assert.equal(end.text(), '')
      loop.resume(end.conn)
      await end.received
      assert.equal(end.text(), 'waits')
    })

    test('asks a sender to pause, and says when there is room again', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      socket.pause()
      const end = await accepted
      const piece = new Uint8Array(64 * 1024)
      let sent = 0
      let hasRoom = true
      // The kernel's own buffers may take several megabytes before the loop's queue fills.
      for (let at = 0; at < 4096 && hasRoom; at++) {
        hasRoom = loop.send(end.conn, loop.slabOf(piece), 0, piece.length)
        sent += piece.length
        await turn()
      }
      assert.equal(hasRoom, false)
      const answered = readAll(socket)
      await end.drained
      loop.shutdown(end.conn)
      socket.end()
      const answer = await answered
      assert.equal(answer.length, sent)
    })

    test('resets a connection whose sender never pauses, instead of queueing for ever', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      socket.pause()
      const end = await accepted
      const piece = new Uint8Array(256 * 1024)
      for (let at = 0; at < 256 && !end.isClosed; at++) {
        loop.send(end.conn, loop.slabOf(piece), 0, piece.length)
        await turn()
      }
      assert.equal(await end.closed, 'overflow')
    })

    test('many small pieces arrive complete and in order', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      const end = await accepted
      const expected: string[] = []
      for (let at = 0; at < 2000; at++) {
        expected.push(`${at},`)
        sendText(loop, end.conn, `${at},`)
      }
      loop.shutdown(end.conn)
      const answer = await readAll(socket)
      assert.equal(answer.toString(), expected.join(''))
    })

    test('a number of a closed connection means nothing any more', async () => {
      const { port, accepted } = await listen(loop)
      client(port)
      const first = await accepted
      loop.reset(first.conn)
      await turn()
      const second = new Recorder(loop)
      const conn = loop.connect({ host, port }, second, 2000)
      await second.connected
      loop.reset(first.conn)
      sendText(loop, first.conn, 'to nobody')
      await turn()
      assert.equal(second.isClosed, false)
      assert.notEqual(conn, first.conn)
    })

    test('a closed listener refuses, and its connections live on', async () => {
      const { port, accepted, close } = await listen(loop)
      const socket = client(port)
      const end = await accepted
      close()
      await turn()
      const late = new Recorder(loop)
      loop.connect({ host, port }, late, 2000)
      assert.equal(await late.closed, 'refused')
      socket.end('still here')
      await end.ended
      assert.equal(end.text(), 'still here')
    })

    test('no handler is called before the call that caused it has returned', async () => {
      const port = await freePort()
      const heard: string[] = []
      const recorder = new Recorder(loop)
      loop.listen(
        { host, port, shared: false },
        {
          onListening: () => heard.push('listening'),
          onListenFailed: () => heard.push('failed'),
          onAccept: () => null,
        },
      )
      loop.connect({ host, port: 1 }, recorder, 2000)
      assert.deepEqual([heard, recorder.isClosed], [[], false])
      await recorder.closed
    })

    test('a port in use is told by its code', async () => {
      const { port } = await listen(loop)
      const failed = new Promise<string>((resolve) => {
        loop.listen(
          { host, port, shared: false },
          { onListening: () => {}, onListenFailed: resolve, onAccept: () => null },
        )
      })
      assert.equal(await failed, 'EADDRINUSE')
    })

    test('work for the end of a turn runs once', async () => {
      let runs = 0
      loop.atTurnEnd(() => runs++)
      assert.equal(runs, 0)
      await turn()
      await turn()
      assert.equal(runs, 1)
    })
  })
}

/** Remembers what happened to one connection. */
class Recorder implements ConnectionHandler {
  readonly #loop: Loop
  readonly #pieces: Buffer[] = []
  readonly #connected = Promise.withResolvers<void>()
  readonly #received = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #drained = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<CloseCause>()
  conn = 0 as Conn
  remote = { host: '', port: 0 }
  isConnected = false
  isClosed = false

  constructor(loop: Loop) {
    this.#loop = loop
  }

  get connected(): Promise<void> {
    return this.#connected.promise
  }

  get received(): Promise<void> {
    return this.#received.promise
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  get drained(): Promise<void> {
    return this.#drained.promise
  }

  get closed(): Promise<CloseCause> {
    return this.#closed.promise
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  onConnected(): void {
    this.isConnected = true
    this.#connected.resolve()
  }

  onReceive(_conn: Conn, slab: Slab, offset: number, length: number): void {
    this.#pieces.push(Buffer.from(this.#loop.memory(slab).subarray(offset, offset + length)))
    this.#loop.release(slab)
    this.#received.resolve()
  }

  onEnd(): void {
    this.#ended.resolve()
  }

  onDrained(): void {
    this.#drained.resolve()
  }

  onClosed(_conn: Conn, cause: CloseCause): void {
    this.isClosed = true
    this.#closed.resolve(cause)
  }
}

interface Listened {
  readonly port: number
  readonly accepted: Promise<Recorder>
  readonly close: () => void
}

function listen(loop: Loop, options = { isPaused: false }): Promise<Listened> {
  const accepted = Promise.withResolvers<Recorder>()
  return new Promise((resolve, reject) => {
    const acceptor: Acceptor = {
      onListening: ({ port }) => {
        resolve({ port, accepted: accepted.promise, close: () => loop.unlisten(listening) })
      },
      onListenFailed: (code) => reject(new Error(code)),
      onAccept: (conn) => {
        const end = new Recorder(loop)
        end.conn = conn
        end.remote = loop.remoteAddress(conn)
        if (!options.isPaused) loop.atTurnEnd(() => loop.resume(conn))
        accepted.resolve(end)
        return end
      },
    }
    const listening = loop.listen({ host, port: 0, shared: false }, acceptor)
  })
}

function sendText(loop: Loop, conn: Conn, text: string): void {
  const bytes = Buffer.from(text)
  loop.send(conn, loop.slabOf(bytes), 0, bytes.length)
}

async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.resume()
  await once(socket, 'end')
  return Buffer.concat(pieces)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, host)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2))
