import { createSocket } from 'node:dgram'
import { connect, isIP } from 'node:net'
import { parseHostPort } from './host-address.ts'

/** Longer than three losses of a first packet on a LAN. */
const knockLimitMs = 1500
const packetEveryMs = 250

/** A port as an operator opens it in a firewall. */
export interface Door {
  readonly protocol: 'tcp' | 'udp'
  /** `host:port`. */
  readonly address: string
}

/** Why a door does not answer with that word (see `standOnDoorstep`); null when it does. */
export function knock(door: Door, word: string): Promise<string | null> {
  return door.protocol === 'tcp'
    ? knockByStream(door.address, word)
    : knockByPacket(door.address, word)
}

/** Why nothing accepts a connection there; null when something does. */
export const tryDoor = (address: string): Promise<string | null> => knockByStream(address, '')

function knockByStream(address: string, word: string): Promise<string | null> {
  const target = parseHostPort(address)
  if (target === null) return Promise.resolve('not an address')
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const socket = connect(target)
  let heard = ''
  const timer = setTimeout(() => resolve('no answer'), knockLimitMs)
  const check = (): void => {
    if (heard.startsWith(word)) resolve(null)
    else if (heard.length >= word.length) resolve('another program answers there')
  }
  socket.once('connect', check)
  socket.on('data', (data) => {
    heard = (heard + data.toString('latin1')).slice(0, 1024)
    check()
  })
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  socket.once('end', () => resolve('another program answers there'))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}

function knockByPacket(address: string, word: string): Promise<string | null> {
  const target = parseHostPort(address)
  if (target === null) return Promise.resolve('not an address')
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const socket = createSocket(isIP(target.host) === 6 ? 'udp6' : 'udp4')
  // A host name that is unknown is told to the callback, everything else to the socket.
  const send = (): void => socket.send(word, target.port, target.host, () => {})
  const timer = setTimeout(() => resolve('no answer'), knockLimitMs)
  const resend = setInterval(send, packetEveryMs)
  socket.on('message', (packet) => {
    if (packet.toString('latin1') === word) resolve(null)
  })
  socket.once('error', (error) => resolve(error.message))
  send()
  return promise.finally(() => {
    clearTimeout(timer)
    clearInterval(resend)
    socket.close()
  })
}
