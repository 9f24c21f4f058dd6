import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Loop } from '../../src/ingress/loop.ts'
import { loopLimitsContract } from './loop-limits-contract.ts'
import { freePort, listen, readAll, Recorder, sendText, turn } from './loop-recorder.ts'

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

    test('a half-close that waits for what is queued can still be reset, as a reset', async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port).pause()
      const end = await accepted
      // More than the kernel takes from somebody who does not read.
      const bytes = new Uint8Array(64 * 1024)
      let hasRoom = true
      while (hasRoom) {
        hasRoom = loop.send(end.conn, loop.slabOf(bytes), 0, bytes.length)
        await turn()
      }
      loop.shutdown(end.conn)
      await turn()
      loop.reset(end.conn)
      await assert.rejects(readAll(socket.resume()), { code: 'ECONNRESET' })
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

    test("a paused connection hears of the peer's end once it is resumed", async () => {
      const { port, accepted } = await listen(loop)
      const socket = client(port)
      socket.write('hello')
      const end = await accepted
      await end.received
      loop.pause(end.conn)
      socket.end()
      for (let at = 0; at < 10; at++) await turn()
      assert.equal(end.hasEnded, false)
      loop.resume(end.conn)
      assert.equal(end.hasEnded, false)
      await end.ended
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

    test('a dial of a network that cannot be reached says so', async () => {
      const end = new Recorder(loop)
      // The broadcast address of the loopback network: no TCP connection leads there.
      loop.connect({ host: '127.255.255.255', port: 9 }, end, 2000)
      assert.equal(await end.closed, 'unreachable')
      assert.equal(end.isConnected, false)
    })

    test('pieces of one byte arrive complete, in order and both ways', async () => {
      const { port, accepted } = await listen(loop)
      const near = new Recorder(loop)
      const conn = loop.connect({ host, port }, near, 2000)
      await near.connected
      loop.resume(conn)
      const far = await accepted
      const text = Array.from({ length: 3000 }, (_, at) => at % 10).join('')
      for (let at = 0; at < text.length; at++) {
        const digit = text.charAt(at)
        sendText(loop, conn, digit)
        sendText(loop, far.conn, digit)
        if (at % 500 === 0) await turn()
      }
      loop.shutdown(conn)
      loop.shutdown(far.conn)
      assert.deepEqual([await near.closed, await far.closed], ['ended', 'ended'])
      assert.deepEqual([near.text(), far.text()], [text, text])
    })

    test('both sides may close at once, and each hears of one end', async () => {
      for (let at = 0; at < 20; at++) {
        const { port, accepted, close } = await listen(loop)
        const near = new Recorder(loop)
        const conn = loop.connect({ host, port }, near, 2000)
        await near.connected
        loop.resume(conn)
        const far = await accepted
        loop.shutdown(conn)
        loop.shutdown(far.conn)
        assert.deepEqual([await near.closed, await far.closed], ['ended', 'ended'])
        await turn()
        assert.deepEqual([near.closings, far.closings], [1, 1])
        close()
      }
    })

    test('both sides may reset at once', async () => {
      const { port, accepted } = await listen(loop)
      const near = new Recorder(loop)
      const conn = loop.connect({ host, port }, near, 2000)
      await near.connected
      const far = await accepted
      loop.reset(conn)
      loop.reset(far.conn)
      loop.reset(conn)
      await turn()
      assert.deepEqual([near.isClosed, far.isClosed], [false, false])
    })

    test('numbers are never used again, however often their descriptors are', async () => {
      const { port } = await listen(loop)
      const seen = new Set<number>()
      let last: Recorder | null = null
      for (let at = 0; at < 300; at++) {
        const end = new Recorder(loop)
        const conn = loop.connect({ host, port }, end, 2000)
        await end.connected
        assert.equal(seen.has(conn), false)
        // Words for every connection that was: none of them may reach this one.
        for (const old of seen) sendText(loop, old as typeof conn, 'x')
        seen.add(conn)
        if (at === 299) last = end
        else loop.reset(conn)
      }
      await turn()
      assert.equal(last?.isClosed, false)
    })

    test('IPv6 clients and IPv4 clients reach one listener, each by its own address', async () => {
      for (const from of ['127.0.0.1', '::1']) {
        const { port, accepted, close } = await listen(loop, { host: '::' })
        opened.push(connect({ host: from, port }))
        const end = await accepted
        assert.equal(end.remote.host, from)
        assert.equal(loop.localAddress(end.conn).host, from)
        close()
      }
    })

    test('a listener of IPv6 alone leaves the port to another one of IPv4', async () => {
      const v6 = await listen(loop, { host: '::', isV6Only: true })
      const v4 = await listen(loop, { host: '0.0.0.0', port: v6.port })
      client(v4.port)
      assert.equal((await v4.accepted).remote.host, '127.0.0.1')
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
  loopLimitsContract(name, makeLoop)
}
