import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCertificateRequest } from '../../mesh/identity/certificate-request.ts'
import { drawJoinSecret } from '../../mesh/identity/join-token.ts'
import { drawNodeKeys } from '../../mesh/identity/node-keys.ts'
import { controlFrame } from '../../mesh/transport/control-protocol.ts'
import { encodeCount, encodeTunnelFrame, frameType } from '../../src/wire/tunnel-frame.ts'
import { Cluster, eventually, joinLine, type Daemon } from '../support/daemon.ts'
import { getOver, type Answer } from '../support/http.ts'
import { lines } from '../support/meshctl.ts'
import { NamespaceSockets } from '../support/namespace-sockets.ts'
import { Capture, Lan, namespacesUnavailable } from '../support/namespaces.ts'
import {
  agreeOnSecurity,
  forge,
  isHungUpOn,
  knock,
  multistream,
  shownCertificate,
  type Credentials,
} from '../support/strangers.ts'

const block = '198.18.8'
const nodeAddresses = [1, 2, 3].map((number) => `${block}.${number}`)
/** The nodes alone are in this network. */
const betweenNodes = `src net ${block}.0/30 and dst net ${block}.0/30`
const visitorAddress = `${block}.4`
/** One address a kind of stranger, so that the log can be asked about each. */
const foreignAddress = `${block}.11`
const selfSignedAddress = `${block}.12`
const namelessAddress = `${block}.13`
const plainAddress = `${block}.14`
const joinerAddress = `${block}.15`
const memberAddress = `${block}.16`
const outside = [visitorAddress, foreignAddress, selfSignedAddress, namelessAddress].concat([
  plainAddress,
  joinerAddress,
  memberAddress,
])

const port = 18080
const babble = `GET / HTTP/1.1\r\nHost: mesh\r\nX-Filler: ${'x'.repeat(200)}\r\n\r\n`
const mark = (): string => randomBytes(12).toString('hex')

/** Until one line of its log has all of it. */
function hasSaid(daemon: Daemon, ...patterns: readonly RegExp[]): Promise<void> {
  return eventually(`a line of the log has ${patterns.join(' and ')}`, 3000, () => {
    const said = daemon.log().split('\n')
    return said.some((line) => patterns.every((pattern) => pattern.test(line)))
  })
}

const by = (address: string): RegExp => new RegExp(`"${address.replaceAll('.', String.raw`\.`)}"`)

describe('three nodes on a wire of their own', { skip: namespacesUnavailable() ?? false }, () => {
  const scope = new AsyncDisposableStack()
  let outsider: NamespaceSockets
  let wire: Capture
  let taskSide: Capture
  let nodes: readonly Daemon[]
  const node = (number: number): Daemon => nodes[number - 1] as Daemon

  before(async () => {
    const hosts = [...nodeAddresses.map((address) => [address]), outside]
    const lan = scope.use(new Lan('wire', hosts))
    const [first, second, third, far] = lan.hosts
    assert.ok(first && second && third && far)
    const cluster = scope.use(new Cluster(block))
    nodes = cluster.daemons
    const captureOf = async (options: Omit<Parameters<typeof Capture.start>[0], 'file'>) => {
      const file = join(cluster.dir, `${options.interface}.pcap`)
      return scope.use(await Capture.start({ ...options, file }))
    }
    wire = await captureOf({ host: lan.wire, interface: 'br0', filter: betweenNodes })
    taskSide = await captureOf({ host: second, interface: 'lo', filter: 'tcp' })
    outsider = scope.use(new NamespaceSockets(far.prefix))
    for (const { prefix } of [first, second, third]) await cluster.startNode('manager', { prefix })
  })
  after(() => scope.disposeAsync())

  const reach = (from: string, host: string, to: number): Promise<Socket> =>
    outsider.connect({ from, host, port: to })

  async function visit(host: string, headers: Record<string, string> = {}): Promise<Answer> {
    return getOver(await reach(visitorAddress, host, port), headers)
  }

  /** Visitors come to the nodes in turn while something else goes on; each must be answered. */
  async function amongVisitors(action: () => Promise<void>): Promise<void> {
    let isOver = false
    const visits = async (): Promise<number> => {
      let count = 0
      for (; !isOver || count < nodes.length; count++) {
        const { status } = await visit(node((count % nodes.length) + 1).address)
        assert.equal(status, 200)
        await sleep(50)
      }
      return count
    }
    const visiting = visits()
    try {
      await action()
    } finally {
      isOver = true
    }
    await visiting
  }

  test('a request from node to node is unreadable on the wire, and keeps its client', async () => {
    const environment = mark()
    const created = await node(3).meshctl(
      ...['service', 'create', '--name', 'web', '--constraint', 'node.hostname==n2'],
      ...['--env', `MARK=${environment}`, '--publish', `${port}:80`],
      ...['--label', `mesh.ingress.${port}.proxy-protocol=v2`, 'meshd/whoami'],
    )
    assert.equal(created.code, 0, created.stderr)
    await eventually('node 1 answers', 5000, async () => {
      return (await visit(node(1).address)).status === 200
    })
    const header = mark()
    const { status, facts } = await visit(node(1).address, { 'x-mark': header })
    assert.equal(status, 200)
    assert.equal(facts['x-mark'], header)
    const [n2] = await lines(node(1), 'node', 'ls', '--filter', 'name=n2', '-q')
    assert.equal(facts['node'], n2)
    assert.match(facts['client'] ?? '', /^198\.18\.8\.4:\d+$/)

    const secrets = [header, environment, 'PRIVATE KEY']
    for (const role of ['manager', 'worker'] as const) {
      const [token = ''] = (await joinLine(node(1), role)).split('@')
      secrets.push(token.slice(-25))
    }
    const [heard, control] = [await wire.stop(), await taskSide.stop()]
    assert.ok(control.includes(header), 'the task has got the request in the clear')
    for (const secret of secrets) assert.ok(!heard.includes(secret), `${secret} is on the wire`)
    for (const road of ['tcp port 2377', 'tcp port 7946', 'udp port 7946', 'tcp port 4789']) {
      assert.ok((await wire.count(road)) > 0, `${road} was not listened to`)
    }
  })

  interface Door {
    readonly name: string
    readonly port: number
    readonly alpn: string
    readonly words: Uint8Array | string
    /** What the log calls a refusal here. */
    readonly refusal: RegExp
    readonly prepare?: (socket: Socket) => Promise<void>
  }

  const doors: readonly Door[] = [
    {
      name: 'the data path',
      port: 4789,
      alpn: 'mesh-tunnel/1',
      refusal: /refused on the data path/,
      words: encodeTunnelFrame(0, frameType.ping, encodeCount(1)),
    },
    {
      name: 'the mesh port',
      port: 7946,
      alpn: 'mesh-libp2p/1',
      refusal: /peer refused/,
      words: multistream('/multistream/1.0.0'),
      prepare: agreeOnSecurity,
    },
    {
      name: 'the control port',
      port: 2377,
      alpn: 'http/1.1',
      refusal: /control connection refused/,
      words: 'GET /_ping HTTP/1.1\r\nHost: mesh\r\n\r\n',
    },
  ]

  async function knockAt(door: Door, from: string, credentials: Credentials) {
    const socket = await reach(from, node(2).address, door.port)
    await door.prepare?.(socket)
    return knock(socket, { alpn: [door.alpn], credentials, words: door.words })
  }

  /** What the third node itself shows: with it, the very same words are answered. */
  function memberCredentials(): Credentials {
    const file = readFileSync(join(node(3).options.dir, 'data/identity.json'), 'utf8')
    const { certificatePem, tlsKeyPem } = JSON.parse(file) as Record<string, string>
    return { cert: certificatePem as string, key: tlsKeyPem as string }
  }

  for (const door of doors) {
    test(`${door.name} answers members, and strangers not a byte`, async () => {
      const member = await knockAt(door, memberAddress, memberCredentials())
      assert.ok(member.answer.length > 0, 'a member is answered')
      const shown = await shownCertificate(await reach(foreignAddress, node(3).address, 2377))
      const { foreign, selfSigned } = forge(shown)
      const cases = [
        { from: foreignAddress, credentials: foreign, reason: /not issued by the authority/ },
        { from: selfSignedAddress, credentials: selfSigned, reason: /not issued by the authority/ },
        { from: namelessAddress, credentials: {}, reason: /certificate/ },
      ]
      await amongVisitors(async () => {
        for (const { from, credentials, reason } of cases) {
          const { answer, isClosed } = await knockAt(door, from, credentials)
          assert.equal(answer.toString('latin1'), '')
          assert.ok(isClosed, `${from} was hung up on`)
          await hasSaid(node(2), door.refusal, by(from), reason)
        }
      })
    })

    test(`${door.name} hangs up on who speaks something else, and says why`, async () => {
      const socket = await reach(plainAddress, node(2).address, door.port)
      assert.ok(await isHungUpOn(socket, babble), 'the connection ends')
      await hasSaid(node(2), door.refusal, by(plainAddress), /no handshake: ./)
    })
  }

  test('junk packets to the mesh port are ignored', async () => {
    const socket = await outsider.datagrams(plainAddress)
    let answers = 0
    socket.on('message', () => answers++)
    await amongVisitors(async () => {
      for (let length = 0; length < 1400; length += 7) {
        socket.send(randomBytes(length), 7946, node(2).address)
      }
      await sleep(500)
    })
    assert.equal(answers, 0)
    assert.ok(node(2).isRunning)
  })

  test('the control port lets a stranger do nothing but join, with a token', async () => {
    const shake = async (words: Uint8Array | string) => {
      const socket = await reach(joinerAddress, node(2).address, 2377)
      return knock(socket, { alpn: ['mesh-join/1'], credentials: {}, words })
    }
    const keys = await drawNodeKeys()
    const asked = {
      version: 1,
      secret: drawJoinSecret(),
      certificateRequest: createCertificateRequest(keys),
      name: 'n9',
      gossipAddress: ':7946',
      controlAddress: ':2377',
      dataPathAddress: ':4789',
      availability: 'active',
      description: {},
    }
    const cases = [
      { words: 'GET /info HTTP/1.1\r\nHost: mesh\r\n\r\n', reason: /longer than the limit/ },
      { words: controlFrame({ ...asked, secret: 7 }), reason: /secret/ },
      { words: controlFrame({ kind: 'status' }), reason: /version/ },
    ]
    await amongVisitors(async () => {
      for (const { words, reason } of cases) {
        const { answer, isClosed } = await shake(words)
        assert.ok(isClosed, `it was answered ${answer.toString('latin1')}`)
        await hasSaid(node(2), /join request dropped/, by(joinerAddress), reason)
      }
      const { answer } = await shake(controlFrame(asked))
      const reply = JSON.parse(answer.subarray(4).toString()) as { kind: string; reason: string }
      assert.equal(reply.kind, 'refused')
      assert.match(reply.reason, /token is not valid/)
      await hasSaid(node(2), /join refused/, by(joinerAddress), /token is not valid/)
    })
    assert.ok(!node(2).log().includes(asked.secret), 'a secret is in the log')
  })

  test('after all that the cluster is whole and takes work', async () => {
    for (const each of nodes) {
      const rows = await lines(each, 'node', 'ls', '--format', '{{.Status}}')
      assert.deepEqual(rows, ['Ready', 'Ready', 'Ready'])
      assert.equal((await visit(each.address)).status, 200)
    }
    const scaled = await node(1).meshctl('service', 'scale', 'web=2')
    assert.equal(scaled.code, 0, scaled.stderr)
  })
})
