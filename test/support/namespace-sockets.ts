import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket, Socket as DatagramSocket } from 'node:dgram'
import { connect, Socket } from 'node:net'

interface Wanted {
  readonly id: number
  readonly kind: 'tcp' | 'udp'
  readonly from: string
  readonly host: string
  readonly port: number
}

interface Made {
  readonly id: number
  /** Null when the socket comes along. */
  readonly error: string | null
}

type Handle = Socket | DatagramSocket

/**
 * Sockets of another network namespace in this process: a helper inside the namespace opens them and
 * hands them over, so that a test speaks any protocol from there with ordinary Node code.
 */
export class NamespaceSockets implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<Handle>>()
  readonly #given = new Set<Handle>()
  #lastId = 0

  /** `prefix` are the words that lead into the namespace. */
  constructor(prefix: readonly string[]) {
    const [file, ...args] = [...prefix, process.execPath, import.meta.filename]
    this.#child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (message, handle) => this.#made(message as Made, handle as Handle))
    this.#child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the helper has ended'))
    })
  }

  /** A connection from the address `from`; rejects when nobody answers there. */
  async connect(to: { from: string; host: string; port: number }): Promise<Socket> {
    return (await this.#ask({ kind: 'tcp', ...to })) as Socket
  }

  /** A UDP socket bound to `from`. */
  async datagrams(from: string): Promise<DatagramSocket> {
    return (await this.#ask({ kind: 'udp', from, host: '', port: 0 })) as DatagramSocket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#given) {
      if (handle instanceof Socket) handle.destroy()
      else handle.close()
    }
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }

  #ask(wanted: Omit<Wanted, 'id'>): Promise<Handle> {
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<Handle>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, ...wanted } satisfies Wanted)
    return waiting.promise
  }

  #made({ id, error }: Made, handle: Handle): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error !== null) return waiting?.reject(new Error(error))
    this.#given.add(handle)
    handle.on('error', () => {})
    handle.once('close', () => this.#given.delete(handle))
    waiting?.resolve(handle)
  }
}

/** The helper inside the namespace. */
function serve(): void {
  process.on('message', (message) => {
    const wanted = message as Wanted
    const answer = (error: string | null, handle?: Handle): void => {
      process.send?.({ id: wanted.id, error } satisfies Made, handle)
    }
    if (wanted.kind === 'tcp') openConnection(wanted, answer)
    else openDatagrams(wanted, answer)
  })
}

type Answer = (error: string | null, handle?: Handle) => void

function openConnection({ from, host, port }: Wanted, answer: Answer): void {
  const socket = connect({ host, port, localAddress: from, timeout: 3000 })
  // What the peer says must be read at the other end.
  socket.pause()
  socket.once('timeout', () => socket.destroy(new Error(`no answer from ${host}:${port}`)))
  socket.once('error', (error) => answer(error.message))
  socket.once('connect', () => {
    socket.setTimeout(0)
    answer(null, socket)
  })
}

function openDatagrams({ from }: Wanted, answer: Answer): void {
  const socket = createSocket('udp4')
  socket.once('error', (error) => answer(error.message))
  socket.bind({ address: from }, () => answer(null, socket))
}

if (import.meta.main) serve()
