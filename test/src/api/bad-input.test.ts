import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startApi } from '../../support/api-server.ts'
import { webSpec } from './service-spec.ts'

interface Case {
  readonly what: string
  readonly spec: unknown
  readonly status: number
  readonly says: RegExp
}

const task = webSpec.TaskTemplate
const container = task.ContainerSpec
const withContainer = (fields: object): object => ({
  ...webSpec,
  TaskTemplate: { ...task, ContainerSpec: { ...container, ...fields } },
})
const withPort = (fields: object): object => ({
  ...webSpec,
  EndpointSpec: { Ports: [{ TargetPort: 80, ...fields }] },
})

const cases: readonly Case[] = [
  { what: 'malformed JSON', spec: '{"Name": ', status: 400, says: /not JSON/ },
  { what: 'no body', spec: '', status: 400, says: /no body/ },
  { what: 'a list', spec: [], status: 400, says: /expected object/ },
  {
    what: 'JSON nested too deep',
    spec: `${'['.repeat(9e4)}${']'.repeat(9e4)}`,
    status: 400,
    says: /nested/,
  },
  {
    what: 'a name of a wrong type',
    spec: { ...webSpec, Name: 7 },
    status: 400,
    says: /Name: expected string/,
  },
  { what: 'an illegal name', spec: { ...webSpec, Name: '-a' }, status: 400, says: /name "-a"/ },
  {
    what: 'a name that is too long',
    spec: { ...webSpec, Name: 'a'.repeat(64) },
    status: 400,
    says: /63/,
  },
  { what: 'no image', spec: withContainer({ Image: '' }), status: 400, says: /Image: an image/ },
  {
    what: 'an environment without names',
    spec: withContainer({ Env: ['=x'] }),
    status: 400,
    says: /Env\.0: must be NAME=value/,
  },
  {
    what: 'an argument that is no text',
    spec: withContainer({ Args: [1] }),
    status: 400,
    says: /TaskTemplate\.ContainerSpec\.Args\.0/,
  },
  {
    what: 'replicas below zero',
    spec: { ...webSpec, Mode: { Replicated: { Replicas: -1 } } },
    status: 400,
    says: /Mode\.Replicated\.Replicas/,
  },
  {
    what: 'two modes',
    spec: { ...webSpec, Mode: { Replicated: {}, Global: {} } },
    status: 400,
    says: /more than one mode/,
  },
  {
    what: 'a port out of range',
    spec: withPort({ PublishedPort: 70_000 }),
    status: 400,
    says: /Ports\.0\.PublishedPort/,
  },
  {
    what: 'a field nobody knows',
    spec: { ...webSpec, Replicass: 3 },
    status: 400,
    says: /unknown field Replicass/,
  },
  {
    what: 'too little memory',
    spec: { ...webSpec, TaskTemplate: { ...task, Resources: { Limits: { MemoryBytes: 1 } } } },
    status: 400,
    says: /at least 4 MiB/,
  },
  {
    what: 'a constraint that is none',
    spec: { ...webSpec, TaskTemplate: { ...task, Placement: { Constraints: ['node.role'] } } },
    status: 400,
    says: /constraint "node\.role" must be/,
  },
  {
    what: 'a mount of a kind that nobody can mount',
    spec: withContainer({ Mounts: [{ Type: 'cluster', Source: 'a', Target: '/b' }] }),
    status: 501,
    says: /TaskTemplate\.ContainerSpec\.Mounts\.0\.Type has no effect yet/,
  },
  {
    what: 'credentials in the spec itself',
    spec: withContainer({ PullOptions: { RegistryAuth: 'x' } }),
    status: 501,
    says: /PullOptions/,
  },
  {
    what: 'a job',
    spec: { ...webSpec, Mode: { ReplicatedJob: {} } },
    status: 501,
    says: /ReplicatedJob/,
  },
  { what: 'SCTP', spec: withPort({ Protocol: 'sctp' }), status: 501, says: /Protocol/ },
  {
    what: 'an update order that is none',
    spec: { ...webSpec, UpdateConfig: { Order: 'sideways' } },
    status: 400,
    says: /UpdateConfig\.Order/,
  },
  {
    what: 'a label that is a slip of the finger',
    spec: { ...webSpec, Labels: { 'mesh.ingress.8080.prefr': 'local' } },
    status: 501,
    says: /did you mean mesh\.ingress\.8080\.prefer/,
  },
  {
    what: 'a label that does nothing without another one',
    spec: { ...webSpec, Labels: { 'mesh.ingress.8080.max-body': '1m' } },
    status: 501,
    says: /no effect without mesh\.ingress\.8080\.protocol=http/,
  },
  {
    what: 'a label for a port that is not published',
    spec: { ...webSpec, Labels: { 'mesh.ingress.81.prefer': 'local' } },
    status: 501,
    says: /mesh\.ingress\.81.*8080/,
  },
  {
    what: 'a spec that is too big for the table',
    spec: {
      ...webSpec,
      Labels: Object.fromEntries(
        Array.from({ length: 20 }, (_, at) => [`l${at}`, 'x'.repeat(60_000)]),
      ),
    },
    status: 413,
    says: /limit is 512 KB/,
  },
]

test('bad input gets a clear answer, and nothing is written', async (t) => {
  await using server = await startApi()
  for (const { what, spec, status, says } of cases) {
    await t.test(what, async () => {
      const answer = await server.call('POST', '/v1.50/services/create', spec)
      assert.equal(answer.status, status, answer.text)
      assert.match((answer.json as { message: string }).message, says)
      assert.equal(server.mesh.view().catalog.list('service').length, 0)
    })
  }
})

test('keys may be spelt in any case and null counts as absent, as with Go', async () => {
  await using server = await startApi()
  const spec = {
    name: 'web',
    labels: null,
    tasktemplate: { CONTAINERSPEC: { image: 'img', Env: null, labels: { KeepCase: 'X' } } },
    mode: { replicated: { replicas: 2 } },
  }
  const answer = await server.call('POST', '/services/create', spec)
  assert.equal(answer.status, 201, answer.text)
  const { json } = await server.call('GET', '/services/web')
  const { Spec } = json as { Spec: unknown }
  assert.deepEqual(Spec, {
    Name: 'web',
    TaskTemplate: { ContainerSpec: { Image: 'img', Labels: { KeepCase: 'X' } } },
    Mode: { Replicated: { Replicas: 2 } },
  })
})

test('a key called __proto__ is refused, for it would be lost without a word', async () => {
  await using server = await startApi()
  const spec = JSON.stringify({ ...webSpec, Labels: { x: 'y' } }).replace('"x"', '"__proto__"')
  const answer = await server.call('POST', '/services/create', spec)
  assert.equal(answer.status, 400)
  assert.match(answer.text, /__proto__/)
})

test('a body over the limit is refused while it is sent, and the connection says so', async () => {
  await using server = await startApi()
  const answer = await server.call('POST', '/services/create', Buffer.alloc(11 * 1024 * 1024, 32))
  assert.equal(answer.status, 413)
  assert.match(answer.text, /larger than 10 MB/)
  assert.equal((await server.call('GET', '/_ping')).text, 'OK')
})

test('a chunked body over the limit is refused too', async () => {
  await using server = await startApi()
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(server.socketPath)
    let answer = ''
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.write('POST /services/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n')
    socket.write('Transfer-Encoding: chunked\r\n\r\n')
    const chunk = Buffer.alloc(1024 * 1024, 32)
    for (let count = 0; count < 11; count++) {
      socket.write(`${chunk.length.toString(16)}\r\n`)
      socket.write(chunk)
      socket.write('\r\n')
    }
    socket.write('0\r\n\r\n')
  })
  assert.match(text, /^HTTP\/1\.1 413 /)
})

test('unknown pages, methods, versions and filters are refused in JSON', async () => {
  await using server = await startApi()
  const table: readonly (readonly [string, string, number, RegExp])[] = [
    ['GET', '/nosuch', 404, /page not found/],
    ['PATCH', '/services', 405, /Use GET/],
    ['GET', '/v1.51/services', 400, /too new/],
    ['GET', '/v1.23/services', 400, /too old/],
    ['GET', '/services?filters={"colour":["red"]}', 400, /invalid filter 'colour'/],
    ['GET', '/services?filters=x', 400, /invalid filters/],
    ['POST', '/services/web/update', 400, /version/],
    ['POST', '/secrets/create', 501, /secrets create/],
    ['GET', '/distribution/a/b:1/json', 404, /no digest of a\/b:1/],
    ['GET', '/containers/json', 501, /process/],
    ['GET', '/services/%zz', 404, /%zz/],
  ]
  for (const [method, path, status, says] of table) {
    const { status: got, json, text } = await server.call(method, path)
    assert.equal(got, status, `${method} ${path}: ${text}`)
    assert.match((json as { message: string }).message, says)
  }
})
