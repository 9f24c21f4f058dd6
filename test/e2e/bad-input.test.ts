import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { appendFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster, eventually, isUp, type Daemon } from '../support/daemon.ts'
import { lines } from '../support/meshctl.ts'

interface Reply {
  readonly status: number
  readonly message: string
}

function post(node: Daemon, path: string, body: string | Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const options = { socketPath: node.socketPath, path, method: 'POST', headers }
    const asked = request(options, (response) => {
      let text = ''
      response.on('data', (part: Buffer) => (text += part.toString()))
      response.on('end', () => {
        const { message } = JSON.parse(text) as { readonly message: string }
        resolve({ status: response.statusCode ?? 0, message })
      })
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

const spec = (changes: object): string =>
  JSON.stringify({
    Name: 'web',
    TaskTemplate: { ContainerSpec: { Image: 'meshd/whoami' } },
    Mode: { Replicated: { Replicas: 0 } },
    ...changes,
  })

describe('bad input', () => {
  const cluster = new Cluster('127.0.25')
  let node: Daemon

  before(async () => {
    ;[node] = (await cluster.startManagers(1)) as [Daemon]
    const ports = { Ports: [{ TargetPort: 80, PublishedPort: 18081 }] }
    await post(node, '/services/create', spec({ Name: 'taken', EndpointSpec: ports }))
  })
  after(() => cluster[Symbol.asyncDispose]())

  const cases: readonly [string, string | Buffer, number, RegExp][] = [
    ['malformed JSON', '{"Name": ', 400, /JSON/],
    ['a wrong type', spec({ Name: 7 }), 400, /Name/],
    ['an illegal name', spec({ Name: 'no spaces' }), 400, /name/i],
    ['a name that is taken', spec({ Name: 'taken' }), 409, /taken/],
    [
      'a port that is taken',
      spec({ EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 18081 }] } }),
      409,
      /18081/,
    ],
    [
      "the node's own port",
      spec({ EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 2377 }] } }),
      400,
      /2377/,
    ],
    [
      'a field without effect yet',
      spec({
        TaskTemplate: {
          ContainerSpec: { Image: 'a', Secrets: [{ SecretID: 'a', SecretName: 'a' }] },
        },
      }),
      501,
      /Secrets/,
    ],
    [
      'an unknown mesh label',
      spec({ Labels: { 'mesh.ingress.18080.proxy-protocoll': 'v2' } }),
      501,
      /proxy-protocol\b/,
    ],
    ['a body of more than 10 MB', Buffer.alloc(11 << 20, 0x20), 413, /10/],
  ]
  for (const [name, body, status, message] of cases) {
    test(`${name} is answered with ${status} and a reason`, async () => {
      const reply = await post(node, '/v1.47/services/create', body)
      assert.equal(reply.status, status, reply.message)
      assert.match(reply.message, message)
    })
  }

  test('an unknown flag is a usage error that names it', async () => {
    const { code, stderr } = await node.meshctl('service', 'create', '--replica', '3', 'x')
    assert.equal(code, 2)
    assert.match(stderr, /--replica/)
    const daemon = cluster.add({ flags: ['--gosip-port', '1'] })
    daemon.start()
    await daemon.exited()
    assert.match(daemon.log(), /--gosip-port/)
  })

  test('a torn tail of the log is cut at the next start, and nothing is lost', async () => {
    await node.killNode()
    const folder = join(node.options.dir, 'data')
    const [last] = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => join(folder, path))
      .filter((path) => /wal/.test(path) && statSync(path).isFile())
      .toSorted()
      .slice(-1)
    assert.ok(last !== undefined, 'there is a log')
    appendFileSync(last, Buffer.from([0, 0, 1, 0, 9, 9, 9]))
    node.start()
    await isUp(node)
    await eventually('the service is there', 5000, async () => {
      return (await lines(node, 'service', 'ls', '--format', '{{.Name}}')).includes('taken')
    })
  })
})
