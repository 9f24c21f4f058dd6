import type { MessageStream, MultiaddrConnection } from '@libp2p/interface'
import { plainHost } from './host-address.ts'
import type { RefusalLog } from './refusal-log.ts'
import { Attendance } from './stranger-limits.ts'

/** Half-done upgrades. Members that start together may all sit behind one address. */
const upgradesAtOnce = { whole: 512, perAddress: 128 }

/** Lets connections of strangers in, so many at once, until they have proved to be members. */
export class InboundGuard {
  readonly #refusals: RefusalLog
  readonly #attendance = new Attendance(upgradesAtOnce)
  /** Keyed by the one object that libp2p hands on from a raw connection to a finished one. */
  readonly #leaving = new WeakMap<object, () => void>()

  constructor(refusals: RefusalLog) {
    this.#refusals = refusals
  }

  /** False when there is no room. */
  greet(connection: MultiaddrConnection, hasBegun: () => boolean): boolean {
    const leave = this.#attendance.enter(remoteHost(connection))
    if (leave === null) {
      this.refuse(connection, 'too many strangers at once')
      return false
    }
    this.#leaving.set(connection.timeline, leave)
    connection.addEventListener('close', ({ error }) => {
      leave()
      // What became of a handshake is told by who holds it.
      if (error !== undefined && !hasBegun()) {
        this.refuse(connection, `no handshake: ${error.message}`)
      }
    })
    return true
  }

  /** It is nobody's business any more whether this one is a stranger. */
  admitted({ timeline }: { readonly timeline: object }): void {
    this.#leaving.get(timeline)?.()
  }

  refuse(connection: MessageStream, reason: string): void {
    const { direction } = connection
    this.#refusals.tell({ remoteAddress: remoteHost(connection), direction, reason })
  }
}

/** A raw connection has an address, which its type as a byte stream does not promise. */
function remoteHost(connection: MessageStream): string {
  if (!('remoteAddr' in connection)) return ''
  const [, , host] = String(connection.remoteAddr).split('/')
  return plainHost(host)
}
