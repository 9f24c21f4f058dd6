import { createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { NodeRole } from '../../mesh/base/ids.ts'
import { issueCertificate, type Authority } from '../../mesh/identity/certificate-authority.ts'
import { identityFile, type NodeIdentity } from '../../mesh/identity/node-identity.ts'
import { createCertificateRequest } from '../../mesh/identity/certificate-request.ts'
import { drawNodeKeys } from '../../mesh/identity/node-keys.ts'
import { controlFrame, joinAlpn, renewAlpn } from '../../mesh/transport/control-protocol.ts'
import { routes } from '../../src/api/routes.ts'
import { encodeCount, encodeTunnelFrame, frameType } from '../../src/wire/tunnel-frame.ts'
import type { Daemon } from './daemon.ts'
import { agreeOnSecurity, forge, knock, multistream, type Credentials } from './strangers.ts'

export type Callers = Readonly<Record<string, Credentials>>

export const identityOf = ({ options }: Daemon): NodeIdentity =>
  identityFile.parse(JSON.parse(readFileSync(join(options.dir, 'data/identity.json'), 'utf8')))

const shownBy = ({ certificatePem, tlsKeyPem }: NodeIdentity): Credentials => ({
  cert: certificatePem,
  key: tlsKeyPem,
})

interface Cast {
  readonly manager: NodeIdentity
  readonly worker: NodeIdentity
  readonly removed: NodeIdentity
  readonly authority: Authority
}

/** Whoever may come to a port, with what it shows there. */
export function callersOf({ manager, worker, removed, authority }: Cast): Callers {
  const issue = (of: NodeIdentity, role: NodeRole, atMs: number): Credentials => {
    const publicKey = createPublicKey(of.tlsKeyPem).export({ type: 'spki', format: 'der' })
    const { nodeId: node, clusterId, peerId } = of
    const subject = { node, clusterId, role, peerId, publicKey }
    return { cert: issueCertificate(authority, subject, atMs), key: of.tlsKeyPem }
  }
  const dayMs = 24 * 3_600_000
  const { foreign, selfSigned } = forge(new X509Certificate(manager.certificatePem))
  return {
    manager: shownBy(manager),
    worker: shownBy(worker),
    'demoted manager': issue(worker, 'manager', Date.now()),
    removed: shownBy(removed),
    expired: issue(manager, 'manager', Date.now() - 91 * dayMs),
    foreign,
    'self-signed': selfSigned,
    none: {},
  }
}

/** What came of one try. */
type Outcome = 'yes' | 'no (403)' | 'cut off'

/** Calls that reach beyond the cluster, or end it. */
const untried = ['/distribution/{*}/json', '/swarm/leave', '/mesh/gossip-key/rotate']

interface Call {
  readonly method: string
  readonly path: string
}

function callsFor(caller: string): Call[] {
  const engine = ['/containers/json', '/images/json', '/volumes', '/exec/x/json', '/no/such/page']
  const known = [...routes, ...engine.map((path) => ({ method: 'GET', path }))]
  // A manager may do it all; what changes something is not tried with its certificate.
  const tried = known.filter(
    ({ method, path }) => caller !== 'manager' || (method === 'GET' && !untried.includes(path)),
  )
  return tried.map(({ method, path }) => ({ method, path: path.replace(/\{\*?\}/, 'web') }))
}

function callApi(host: string, call: Call, credentials: Credentials): Promise<Outcome> {
  return new Promise((resolve) => {
    const request = httpsRequest({
      ...{ ...call, ...credentials, host, port: 2377, agent: false, rejectUnauthorized: false },
      ...{ ALPNProtocols: ['http/1.1'], timeout: 20_000 },
    })
    request.once('response', (response) => {
      resolve(response.statusCode === 403 ? 'no (403)' : 'yes')
      request.destroy()
    })
    request.on('error', () => resolve('cut off'))
    request.end()
  })
}

interface Door {
  readonly port: number
  readonly alpn: string
  readonly words: Uint8Array | string
  readonly prepare?: (socket: Socket) => Promise<void>
}

async function knockAt(host: string, door: Door, credentials: Credentials): Promise<string> {
  const socket = connect({ host, port: door.port })
  await door.prepare?.(socket)
  const { answer } = await knock(socket, { ...door, alpn: [door.alpn], credentials })
  return answer.toString('latin1')
}

const isLetIn = (answer: string): Outcome => (answer.length > 0 ? 'yes' : 'cut off')

const mesh: Door = {
  ...{ port: 7946, alpn: 'mesh-libp2p/1', words: multistream('/multistream/1.0.0') },
  prepare: agreeOnSecurity,
}

const tunnelDoor = (words: Uint8Array): Door => ({ port: 4789, alpn: 'mesh-tunnel/1', words })

/** A member is answered its ping; who is not, tries all the other frames, too. */
async function tryTunnel(host: string, credentials: Credentials): Promise<Outcome[]> {
  const ping = encodeTunnelFrame(0, frameType.ping, encodeCount(1))
  const answered = isLetIn(await knockAt(host, tunnelDoor(ping), credentials))
  if (answered === 'yes') return [answered]
  const outcomes: Outcome[] = [answered]
  for (const type of Object.values(frameType)) {
    const door = tunnelDoor(encodeTunnelFrame(1, type, new Uint8Array(25)))
    outcomes.push(isLetIn(await knockAt(host, door, credentials)))
  }
  return outcomes
}

async function questions(node: NodeIdentity): Promise<Door[]> {
  const certificateRequest = createCertificateRequest(await drawNodeKeys())
  const addresses = { gossipAddress: ':1', controlAddress: ':2', dataPathAddress: ':3' }
  const machine = { name: 'n9', word: '0123456789abcdef'.repeat(2), ...addresses }
  const more = { availability: 'active', description: {}, secret: 'x'.repeat(25) }
  const asked = { version: 1, certificateRequest }
  return [
    { port: 2377, alpn: joinAlpn, words: controlFrame({ ...asked, ...machine, ...more }) },
    { port: 2377, alpn: renewAlpn, words: controlFrame({ ...asked, node: node.nodeId }) },
  ]
}

/** Tries everything as each of them; a row that says more than one thing is a fault. */
export async function tryEverything(daemon: Daemon, callers: Callers): Promise<string[]> {
  const host = daemon.address
  const self = identityOf(daemon)
  const [joining, renewing] = await questions(self)
  const rows = new Map<string, string[]>()
  const put = (row: string, outcomes: readonly string[]): void => {
    const said = [...new Set(outcomes)].join(', ')
    rows.set(row, [...(rows.get(row) ?? []), said])
  }
  for (const [caller, credentials] of Object.entries(callers)) {
    const api: string[] = []
    for (const call of callsFor(caller)) api.push(await callApi(host, call, credentials))
    put('every call of the API (2377)', api)
    const asked: string[] = []
    for (const door of [joining, renewing]) {
      const answer = door === undefined ? '' : await knockAt(host, door, credentials)
      asked.push(/"kind":"(refused|removed|wait)"/.test(answer) ? 'asks' : `got ${answer}`)
    }
    put('join with a token, renewal by its own keys (2377)', asked)
    put('the mesh, before its protocols (7946)', [isLetIn(await knockAt(host, mesh, credentials))])
    put('every frame of a tunnel (4789)', await tryTunnel(host, credentials))
  }
  const head = ['', ...Object.keys(callers)]
  const body = [...rows].map(([row, outcomes]) => [row, ...outcomes])
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`)
}
