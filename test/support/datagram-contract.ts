import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Address } from '../../src/ingress/loop.ts'
import type {
  DatagramHandler,
  DatagramLoop,
  DatagramSocket,
} from '../../src/ingress/udp/datagram-loop.ts'
import { eventually } from './eventually.ts'

const host = '127.0.0.1'

/** What UDP entrances and task flows expect of a loop for datagrams, whatever drives it. */
export function datagramContract(name: string, makeLoop: () => DatagramLoop): void {
  describe(`${name} as a loop of datagrams`, () => {
    let loop: DatagramLoop
    const sockets: Socket[] = []

    beforeEach(() => {
      loop = makeLoop()
    })

    afterEach(() => {
      loop.stop()
      for (const socket of sockets.splice(0)) socket.close()
    })

    const peer = async (): Promise<{ socket: Socket; at: Address; heard: string[] }> => {
      const socket = createSocket('udp4')
      sockets.push(socket)
      const heard: string[] = []
      socket.on('message', (bytes) => heard.push(bytes.toString()))
      socket.bind(0, host)
      await once(socket, 'listening')
      return { socket, at: { host, port: socket.address().port }, heard }
    }

    const bind = async (port: number, shared = false): Promise<[DatagramSocket, Recorder]> => {
      const recorder = new Recorder()
      const socket = loop.bind({ host, port, shared }, recorder)
      assert.deepEqual([recorder.isBound, recorder.failure], [false, null])
      await eventually(() => assert.ok(recorder.isBound || recorder.failure !== null))
      return [socket, recorder]
    }

    test('receives from everybody, and answers each', async () => {
      const { at } = await freePlace(peer, sockets)
      const [bound, recorder] = await bind(at.port)
      const [one, two] = [await peer(), await peer()]
      one.socket.send('from one', at.port, host)
      two.socket.send('from two', at.port, host)
      await eventually(() => assert.equal(recorder.heard.length, 2))
      for (const { text, from } of recorder.heard) bound.send(Buffer.from(`re: ${text}`), from)
      await eventually(() => {
        assert.deepEqual([one.heard, two.heard], [['re: from one'], ['re: from two']])
      })
    })

    test('a place that is taken is told by its code, also for those who would share it', async () => {
      const { at } = await peer()
      for (const shared of [false, true]) {
        const [, recorder] = await bind(at.port, shared)
        assert.deepEqual([recorder.isBound, recorder.failure], [false, 'EADDRINUSE'])
      }
    })

    test('an address that the machine does not have is told by its code', async () => {
      const recorder = new Recorder()
      loop.bind({ host: '192.0.2.77', port: 9, shared: false }, recorder)
      await eventually(() => assert.equal(recorder.failure, 'EADDRNOTAVAIL'))
    })

    test('several share a place that they all mean to share', async () => {
      const { at } = await freePlace(peer, sockets)
      for (let times = 0; times < 2; times++) {
        const [, recorder] = await bind(at.port, true)
        assert.equal(recorder.isBound, true)
      }
    })

    test('a connected one may send at once, and hears its peer alone', async () => {
      const { socket, at, heard } = await peer()
      const recorder = new Recorder()
      const connected = loop.connect(at, recorder)
      assert.equal(connected.send(Buffer.from('early')), true)
      const [, from] = (await once(socket, 'message')) as [Buffer, { port: number }]
      const stranger = await peer()
      stranger.socket.send('not for you', from.port, host)
      socket.send('for you', from.port, host)
      await eventually(() => assert.equal(recorder.heard.length, 1))
      assert.deepEqual([heard, recorder.heard[0]?.text], [['early'], 'for you'])
    })

    test('a connected one hears that nobody listens there', async () => {
      const { at } = await freePlace(peer, sockets)
      const recorder = new Recorder()
      const connected = loop.connect(at, recorder)
      assert.equal(recorder.failure, null)
      await eventually(() => {
        connected.send(Buffer.from('anybody?'))
        assert.equal(recorder.failure, 'ECONNREFUSED')
      })
      assert.equal(connected.send(Buffer.from('x')), false)
    })

    test('what waits is bounded, and what is too large hurts nobody', async () => {
      const { socket, at } = await peer()
      const recorder = new Recorder()
      const connected = loop.connect(at, recorder)
      const sent = Array.from({ length: 40 }, () => connected.send(new Uint8Array(60_000)))
      assert.ok(sent.includes(true) && sent.includes(false))
      await once(socket, 'message')
      connected.send(new Uint8Array(70_000))
      await eventually(async () => {
        const heard = once(socket, 'message', { signal: AbortSignal.timeout(300) })
        connected.send(Buffer.from('still here'))
        const [bytes] = (await heard) as [Buffer]
        assert.equal(bytes.toString(), 'still here')
      })
      assert.equal(recorder.failure, null)
    })

    test('a closed one says and hears nothing', async () => {
      const { at } = await freePlace(peer, sockets)
      const [bound, recorder] = await bind(at.port)
      bound.close()
      bound.close()
      const { socket, at: from } = await peer()
      socket.send('too late', at.port, host)
      assert.equal(bound.send(Buffer.from('x'), from), false)
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.deepEqual([recorder.heard, recorder.failure], [[], null])
    })
  })
}

/** Where somebody was, and is no more. */
async function freePlace<T extends { socket: Socket; at: Address }>(
  peer: () => Promise<T>,
  sockets: Socket[],
): Promise<T> {
  const made = await peer()
  sockets.splice(sockets.indexOf(made.socket), 1)
  await new Promise<void>((resolve) => void made.socket.close(resolve))
  return made
}

class Recorder implements DatagramHandler {
  readonly heard: { readonly text: string; readonly from: Address }[] = []
  isBound = false
  failure: string | null = null

  onBound(): void {
    this.isBound = true
  }

  onDatagram(bytes: Uint8Array, from: Address): void {
    this.heard.push({ text: Buffer.from(bytes).toString(), from })
  }

  onFailed(code: string): void {
    this.failure = code
  }
}
