import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { IdleSweep } from '../../src/ingress/idle-sweep.ts'
import { Junction } from '../../src/ingress/junction.ts'
import type { Conn, Loop } from '../../src/ingress/loop.ts'
import { ClientEnd } from '../../src/ingress/socket-end.ts'
import { Traffic } from '../../src/ingress/counts/traffic.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { eventually } from './eventually.ts'
import { listen, Recorder, sendText, turn } from './loop-recorder.ts'

const host = '127.0.0.1'
const isLinux = process.platform === 'linux'

/** The second part of the loop's contract: many connections, too many, silent ones. */
export function loopLimitsContract(name: string, makeLoop: () => Loop): void {
  describe(`${name} at its limits`, () => {
    let loop: Loop
    const opened: Socket[] = []

    beforeEach(() => {
      loop = makeLoop()
    })

    afterEach(() => {
      loop.stop()
      for (const socket of opened.splice(0)) socket.destroy()
    })

    const client = (port: number): Socket => {
      const socket = connect({ host, port, allowHalfOpen: true })
      socket.on('error', () => {})
      opened.push(socket)
      return socket
    }

    test('5,000 connections opened and closed give every descriptor back', async () => {
      const { port } = await listen(loop, { answersEnd: true })
      const before = descriptors()
      for (let round = 0; round < 20; round++) {
        const ends = Array.from({ length: 250 }, () => new Recorder(loop))
        const conns = ends.map((end) => loop.connect({ host, port }, end, 20_000))
        await Promise.all(ends.map((end) => end.connected))
        assert.ok(descriptors() >= before + 250)
        conns.forEach((conn, at) => {
          if (at % 3 === 0) loop.reset(conn)
          else if (at % 3 === 1) loop.close(conn)
          else end(loop, conn)
        })
        await eventually(() => assert.ok(descriptors() <= before), 20_000)
      }
    })

    test('a dial that nobody answers is given up in time', async () => {
      await using stuck = await StuckListener.start()
      const ends = Array.from({ length: 12 }, () => new Recorder(loop))
      for (const each of ends) loop.connect({ host, port: stuck.port }, each, 400)
      // The kernel accepts a few for the listener that never does; the others hear nothing.
      await eventually(() => {
        for (const each of ends) assert.ok(each.isConnected || each.isClosed)
      })
      const late = ends.filter((each) => !each.isConnected)
      assert.ok(late.length > 0)
      assert.deepEqual(
        [...new Set(await Promise.all(late.map((each) => each.closed)))],
        ['timed-out'],
      )
    })

    test(
      'without descriptors dials fail, clients are refused, and all is well again later',
      {
        skip: !isLinux,
      },
      async () => {
        const { port } = await listen(loop)
        const first = new Recorder(loop)
        const kept = loop.connect({ host, port }, first, 5000)
        await first.connected
        await using limit = await DescriptorLimit.lower(12)
        const ends = Array.from({ length: 40 }, () => new Recorder(loop))
        for (const each of ends) loop.connect({ host, port }, each, 5000)
        await eventually(() => {
          for (const each of ends) assert.ok(each.isConnected || each.isClosed)
        })
        assert.ok(ends.some((each) => each.isClosed))
        await limit.restore()
        assert.equal(first.isClosed, false)
        sendText(loop, kept, 'still here')
        await turn()
        const later = new Recorder(loop)
        await eventually(async () => {
          loop.connect({ host, port }, later, 5000)
          await Promise.race([later.connected, later.closed])
          assert.equal(later.isConnected, true)
        })
      },
    )

    test('a quiet connection is reset to both sides, one that is in use is not', async () => {
      const reset = Promise.withResolvers<void>()
      const sweep = new IdleSweep<Junction>(systemClock, 400, (junction) => {
        junction.reset('timed-out')
        reset.resolve()
      })
      const quiet = await joined(loop)
      const busy = await joined(loop)
      sweep.add(quiet.junction)
      sweep.add(busy.junction)
      const failures = [once(quiet.left, 'error'), once(quiet.right, 'error')]
      const talk = setInterval(() => busy.left.write('x'), 20)
      await reset.promise
      clearInterval(talk)
      sweep.stop()
      const errors = (await Promise.all(failures)) as [NodeJS.ErrnoException][]
      assert.deepEqual(
        errors.map(([error]) => error.code),
        ['ECONNRESET', 'ECONNRESET'],
      )
      assert.deepEqual([busy.left.destroyed, busy.right.destroyed], [false, false])
    })

    test(
      'the kernel looks after silent connections, accepted and dialled',
      {
        skip: !isLinux,
      },
      async () => {
        const { port, accepted } = await listen(loop)
        const near = new Recorder(loop)
        const conn = loop.connect({ host, port }, near, 2000)
        await near.connected
        const far = await accepted
        for (const each of [conn, far.conn]) {
          const seconds = keepAliveSeconds(
            loop.localAddress(each).port,
            loop.remoteAddress(each).port,
          )
          assert.ok(seconds !== null && seconds > 5 && seconds <= 15.1, String(seconds))
        }
      },
    )

    test('a client that does not read costs at most a megabyte', async () => {
      const count = 10
      const before = heldBytes()
      for (let at = 0; at < count; at++) {
        const { port, accepted, close } = await listen(loop)
        client(port).pause()
        const { conn } = await accepted
        const send = (): boolean => loop.send(conn, loop.slabOf(new Uint8Array(65_536)), 0, 65_536)
        while (send()) await new Promise((resolve) => setImmediate(resolve))
        close()
      }
      // Freed memory is swept beside us: a moment may pass before it is seen.
      await eventually(() => {
        const grown = heldBytes() - before
        assert.ok(grown <= count * 2 ** 20, `${Math.round(grown / count / 1024)} KiB each`)
      })
    })

    /** Two sockets of the test, joined in the loop. */
    async function joined(of: Loop) {
      const ends: ClientEnd[] = []
      const sockets: Socket[] = []
      for (let at = 0; at < 2; at++) {
        const accepted = Promise.withResolvers<ClientEnd>()
        const { port } = await new Promise<{ port: number }>((resolve) => {
          of.listen(
            { host, port: 0, shared: false },
            {
              onListening: resolve,
              onListenFailed: () => {},
              onAccept: (conn) => {
                const made = new ClientEnd(of, conn, new Traffic())
                accepted.resolve(made)
                return made
              },
            },
          )
        })
        sockets.push(client(port).resume())
        ends.push(await accepted.promise)
      }
      const [left, right] = ends as [ClientEnd, ClientEnd]
      const junction = new Junction({ left, right }, { onFinished: () => {} })
      junction.start()
      return { junction, left: sockets[0] as Socket, right: sockets[1] as Socket }
    }
  })
}

/** The orderly way; the other side of the test's connections answers with the same. */
function end(loop: Loop, conn: Conn): void {
  loop.shutdown(conn)
  loop.close(conn)
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

/** A port whose owner accepts nothing: its thread is asleep. */
class StuckListener implements AsyncDisposable {
  readonly port: number
  readonly #worker: Worker

  private constructor(port: number, worker: Worker) {
    this.port = port
    this.#worker = worker
  }

  static async start(): Promise<StuckListener> {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads')
       const server = require('node:net').createServer()
       server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
         parentPort.postMessage(server.address().port)
         setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
       })`,
      { eval: true },
    )
    const [port] = (await once(worker, 'message')) as [number]
    await turn()
    return new StuckListener(port, worker)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Leaves this process only so many descriptors more than it has, until they are given back. */
class DescriptorLimit implements AsyncDisposable {
  readonly #shell: ChildProcess

  private constructor(shell: ChildProcess) {
    this.#shell = shell
  }

  static async lower(spare: number): Promise<DescriptorLimit> {
    const set = `prlimit --pid ${process.pid} --nofile`
    const old = /open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    // Started before the limit is low: nothing could be started afterwards.
    const shell = spawn('sh', ['-c', `read n; ${set}=$n:; echo done; read x; ${set}=${old}:`])
    await turn()
    shell.stdin.write(`${limitFor(spare)}\n`)
    await once(shell.stdout, 'data')
    return new DescriptorLimit(shell)
  }

  async restore(): Promise<void> {
    if (this.#shell.exitCode !== null) return
    this.#shell.stdin?.end('\n')
    await once(this.#shell, 'exit')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.restore()
  }
}

/** The limit under which so many descriptors are free. */
function limitFor(spare: number): number {
  const taken = new Set(readdirSync('/proc/self/fd').map(Number))
  let limit = 0
  for (let free = 0; free < spare; limit++) if (!taken.has(limit)) free += 1
  return limit
}

/** Of buffers that somebody still holds. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

/** When the kernel will look whether the other side is still there; null when it never will. */
function keepAliveSeconds(localPort: number, remotePort: number): number | null {
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find(
      (each) => each.includes(`:${hex(localPort)} `) && each.includes(`:${hex(remotePort)} 01 `),
    )
  // Fields: number, local, remote, state, queues, timer:when …; timer 2 is keep-alive, in 1/100 s.
  const [timer, when] = line?.trim().split(/\s+/)[5]?.split(':') ?? []
  return timer === '02' && when !== undefined ? Number.parseInt(when, 16) / 100 : null
}

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
