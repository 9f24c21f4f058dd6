import type { Socket } from 'node:net'
import type { TestEntrance } from './test-entrance.ts'

/** A task that keeps every byte it gets, and answers each head with the same bytes. */
export class RawTask {
  /** What each connection has sent so far, in the order in which they came. */
  readonly got: string[] = []
  readonly sockets: Socket[] = []
  address = ''

  static async serve(
    entrance: TestEntrance,
    answer: string | ((socket: Socket, got: string) => void) = ok,
  ): Promise<RawTask> {
    const task = new RawTask()
    task.address = await entrance.tasks.serve((socket) => {
      const at = task.got.push('') - 1
      task.sockets.push(socket)
      let heads = 0
      socket.on('data', (piece: Buffer) => {
        task.got[at] += piece.toString('latin1')
        const seen = (task.got[at] ?? '').split('\r\n\r\n').length - 1
        if (typeof answer === 'function') answer(socket, task.got[at] ?? '')
        else for (; heads < seen; heads++) socket.write(answer, 'latin1')
      })
      socket.on('end', () => socket.end())
    })
    // Another task each time: connections to one that was replaced belong to nobody.
    entrance.route({ [`raw-${task.address}`]: task.address })
    return task
  }

  get all(): string {
    return this.got.join('')
  }

  /** How many requests it takes what it got for, reading it as strictly as anybody. */
  get requests(): number {
    return this.all.split(/^[A-Z]+ \S+ HTTP\/1\.1\r\n/m).length - 1
  }
}

export const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Everything that the entrance says to these bytes, until it closes. */
export async function say(entrance: TestEntrance, text: string): Promise<string> {
  const socket = entrance.client()
  socket.write(text, 'latin1')
  return allOf(socket)
}

/** Ends with `reset` when that is how the connection ended. */
export function allOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    socket.on('data', (piece: Buffer) => (got += piece.toString('latin1')))
    socket.once('end', () => {
      socket.end()
      resolve(got)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(`${got}${error.code === 'ECONNRESET' ? 'reset' : error.code}`)
    })
  })
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])

/** A request from its lines, which goes away after its answer. */
export function get(...lines: readonly string[]): string {
  const [start = 'GET / HTTP/1.1', ...fields] = lines
  return [start, 'Host: web', 'Connection: close', ...fields, '', ''].join('\r\n')
}
