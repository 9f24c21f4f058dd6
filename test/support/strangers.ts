import { createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import { nodeId } from '../../mesh/base/ids.ts'
import { createAuthority, issueCertificate } from '../../mesh/identity/certificate-authority.ts'
import { drawTlsKey } from '../../mesh/identity/node-keys.ts'

/** What somebody shows in a handshake; empty for who has nothing. */
export interface Credentials {
  readonly cert?: string
  readonly key?: string
}

/** The certificate that a server shows to everybody. */
export async function shownCertificate(socket: Socket): Promise<X509Certificate> {
  const tls = connect({ socket, ALPNProtocols: ['mesh-join/1'], rejectUnauthorized: false })
  await new Promise<void>((resolve, reject) => {
    tls.once('secureConnect', () => resolve())
    tls.once('error', reject)
  })
  const certificate = tls.getPeerX509Certificate()
  tls.destroy()
  if (certificate === undefined) throw new Error('the server showed no certificate')
  return certificate
}

/** The same cluster, node, peer and role as in a member's certificate, from an authority of our own. */
export function forge(member: X509Certificate): { foreign: Credentials; selfSigned: Credentials } {
  const names = member.subjectAltName ?? ''
  const [, clusterId = '', node = ''] = /URI:spiffe:\/\/(\w+)\/node\/(\w+)/.exec(names) ?? []
  const [, peerId = ''] = /URI:meshd:peer:(\w+)/.exec(names) ?? []
  const nowMs = Date.now()
  const authority = createAuthority(clusterId, nowMs)
  const key = drawTlsKey()
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const subject = { node: nodeId(node), clusterId, role: 'manager', peerId, publicKey } as const
  return {
    foreign: { cert: issueCertificate(authority, subject, nowMs), key },
    selfSigned: { cert: authority.caCertificatePem, key: authority.caKeyPem },
  }
}

export interface Knock {
  /** What came back inside TLS. */
  readonly answer: Buffer
  readonly isClosed: boolean
}

export interface Knocking {
  readonly alpn: readonly string[]
  readonly credentials: Credentials
  /** Said as soon as our side of the handshake is done. */
  readonly words: Uint8Array | string
}

const patienceMs = 3000

/** Shakes hands, says its words, and waits for the first answer or the end. */
export function knock(socket: Socket, { alpn, credentials, words }: Knocking): Promise<Knock> {
  const tls = connect({
    socket,
    ...credentials,
    ALPNProtocols: [...alpn],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  tls.once('secureConnect', () => tls.write(words))
  return firstAnswer(tls)
}

function firstAnswer(socket: Socket): Promise<Knock> {
  return new Promise((resolve) => {
    const settle = (knocked: Knock): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(knocked)
    }
    const timer = setTimeout(() => settle({ answer: nothing, isClosed: false }), patienceMs)
    socket.on('error', () => {})
    socket.once('data', (answer: Buffer) => settle({ answer, isClosed: false }))
    socket.once('close', () => settle({ answer: nothing, isClosed: true }))
  })
}

/** Says something without TLS; whether the other side then ends the connection. */
export async function isHungUpOn(socket: Socket, words: string): Promise<boolean> {
  socket.write(words)
  socket.resume()
  try {
    await once(socket, 'close', { signal: AbortSignal.timeout(patienceMs) })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNRESET'
  } finally {
    socket.destroy()
  }
}

const nothing: Buffer = Buffer.alloc(0)

/** A line of multistream-select, with which libp2p agrees on what comes next. */
export const multistream = (protocol: string): Buffer =>
  Buffer.from(`${String.fromCharCode(protocol.length + 1)}${protocol}\n`, 'latin1')

/** Agrees with a libp2p listener on the protocol that secures the connection. */
export async function agreeOnSecurity(socket: Socket): Promise<void> {
  const words = Buffer.concat([multistream('/multistream/1.0.0'), multistream('/mesh-tls/1')])
  socket.write(words)
  let heard: Buffer = nothing
  for (const deadline = AbortSignal.timeout(patienceMs); heard.length < words.length;) {
    const [chunk] = (await once(socket, 'data', { signal: deadline })) as [Buffer]
    heard = Buffer.concat([heard, chunk])
  }
  if (!heard.equals(words)) throw new Error(`libp2p answered ${heard.toString('latin1')}`)
}
