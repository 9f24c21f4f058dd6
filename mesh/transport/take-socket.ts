import { Socket } from 'node:net'
import type { MessageStream, StreamMessageEvent } from '@libp2p/interface'
import { assert } from '../base/assert.ts'

/**
 * The socket under one of libp2p's TCP connections, for `node:tls` alone to read and write: OpenSSL
 * then works on it directly, where a stream in between would cost a copy and a call of the kernel
 * for every TLS record. What the connection has read and nobody has asked for yet is put back. It
 * still ends together with its socket; only bytes do not pass through it any more.
 */
export function takeSocket(connection: MessageStream): Socket {
  const socket = 'socket' in connection ? connection.socket : null
  assert(socket instanceof Socket, 'a connection of the TCP transport has its socket')
  const unread = unreadOf(connection)
  socket.removeAllListeners('data')
  // It would count as idle: what `node:tls` reads and writes it does not see.
  socket.setTimeout(0)
  socket.pause()
  if (unread.length > 0) socket.unshift(Buffer.concat(unread))
  return socket
}

/** A paused connection hands out what it holds when it is resumed, at once. */
function unreadOf(connection: MessageStream): readonly Uint8Array[] {
  const unread: Uint8Array[] = []
  const collect = ({ data }: StreamMessageEvent): void => {
    if (data instanceof Uint8Array) unread.push(data)
    else unread.push(...data)
  }
  connection.pause()
  connection.addEventListener('message', collect)
  connection.resume()
  connection.pause()
  connection.removeEventListener('message', collect)
  return unread
}
