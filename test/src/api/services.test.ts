import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import { startApi, type ApiServer } from '../../support/api-server.ts'
import { fullSpec, webSpec, type ShownService } from './service-spec.ts'

async function create(server: ApiServer, spec: object): Promise<string> {
  const { status, json, text } = await server.call('POST', '/v1.50/services/create', spec)
  assert.equal(status, 201, text)
  return (json as { ID: string }).ID
}

async function inspect(server: ApiServer, reference: string): Promise<ShownService> {
  const { status, json, text } = await server.call('GET', `/v1.50/services/${reference}`)
  assert.equal(status, 200, text)
  return json as ShownService
}

const messageOf = (json: unknown): string => (json as { message: string }).message

test('a service reads back as it was submitted, with what the CLI needs filled in', async () => {
  await using server = await startApi()
  const id = await create(server, fullSpec)
  const shown = await inspect(server, 'full')
  assert.equal(shown.ID, id)
  assert.deepEqual(shown.Spec, fullSpec)
  assert.deepEqual(shown.ServiceStatus, { RunningTasks: 2, DesiredTasks: 2 })
})

test('a service without a number of replicas gets one', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const shown = await inspect(server, 'web')
  assert.deepEqual(shown.Spec.Mode, { Replicated: { Replicas: 1 } })
})

test('a name, a port and an id find their service; the start of an id does too', async () => {
  await using server = await startApi()
  const id = await create(server, webSpec)
  assert.equal((await inspect(server, 'web')).ID, id)
  assert.equal((await inspect(server, id.slice(0, 6))).ID, id)
  assert.equal((await server.call('GET', '/services/nosuch')).status, 404)
})

test('insertDefaults fills in what counts where the spec is silent', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const { json } = await server.call('GET', '/v1.50/services/web?insertDefaults=true')
  const { Spec } = json as ShownService
  const { UpdateConfig, TaskTemplate } = Spec as unknown as {
    UpdateConfig: { Order: string }
    TaskTemplate: { RestartPolicy: { Delay: number } }
  }
  assert.equal(UpdateConfig.Order, 'stop-first')
  assert.equal(TaskTemplate.RestartPolicy.Delay, 5_000_000_000)
})

test('what insertDefaults shows can be written back', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const { json } = await server.call('GET', '/v1.50/services/web?insertDefaults=true')
  const { Spec, Version } = json as ShownService
  const path = `/v1.50/services/web/update?version=${Version.Index}`
  const { status, text } = await server.call('POST', path, Spec)
  assert.equal(status, 200, text)
})

test('an update changes the replicas and keeps the published port', async () => {
  await using server = await startApi()
  const [port] = webSpec.EndpointSpec.Ports
  const unnumbered = { Ports: [{ ...port, PublishedPort: 0 }] }
  await create(server, { ...webSpec, EndpointSpec: unnumbered })
  const before = await inspect(server, 'web')
  const published = before.Endpoint.Ports?.[0]?.PublishedPort ?? 0
  assert.ok(published >= 30_000 && published <= 32_767)
  const path = `/services/web/update?version=${before.Version.Index}`
  const spec = { ...before.Spec, Mode: { Replicated: { Replicas: 3 } } }
  assert.equal((await server.call('POST', path, spec)).status, 200)
  const after = await inspect(server, 'web')
  assert.deepEqual(after.ServiceStatus, { RunningTasks: 3, DesiredTasks: 3 })
  assert.equal(after.Endpoint.Ports?.[0]?.PublishedPort, published)
  assert.ok(after.Version.Index > before.Version.Index)
})

test('an update of an older version is out of sequence, in words that docker knows', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const { status, json } = await server.call('POST', '/services/web/update?version=1', webSpec)
  assert.equal(status, 500)
  assert.match(messageOf(json), /update out of sequence/)
})

async function update(server: ApiServer, change: object, query = ''): Promise<ShownService> {
  const before = await inspect(server, 'web')
  const path = `/services/web/update?version=${before.Version.Index}${query}`
  const { status, text } = await server.call('POST', path, { ...before.Spec, ...change })
  assert.equal(status, 200, text)
  return inspect(server, 'web')
}

test('an update keeps the former spec; a rollback swaps the two, and swaps them again', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const first = (await inspect(server, 'web')).Spec
  const TaskTemplate = { ...first.TaskTemplate, ForceUpdate: 1 }
  const updated = await update(server, { TaskTemplate })
  assert.deepEqual(updated.PreviousSpec, first)
  assert.equal(updated.UpdateStatus, undefined, 'the leader finds out what it means')
  for (const forces of [0, 1]) {
    const { Spec, UpdateStatus } = await update(server, {}, '&rollback=previous')
    assert.equal(Spec.TaskTemplate.ForceUpdate, forces)
    const { State, Message } = UpdateStatus as { State: string; Message: string }
    assert.equal(`${State}: ${Message}`, 'rollback_started: manually requested rollback')
  }
})

test('a rollback frees and takes ports, unless somebody else has them by now', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  await update(server, { EndpointSpec: { Mode: 'vip' } })
  await create(server, { ...webSpec, Name: 'other' })
  const { Version, Spec } = await inspect(server, 'web')
  const path = `/services/web/update?version=${Version.Index}&rollback=previous`
  const refused = await server.call('POST', path, Spec)
  assert.equal(refused.status, 409)
  assert.match(messageOf(refused.json), /cannot be rolled back.*8080/)
  await server.call('DELETE', '/services/other')
  const { Endpoint } = await update(server, {}, '&rollback=previous')
  assert.equal(Endpoint.Ports?.[0]?.PublishedPort, 8080)
})

test('what cannot be rolled back, and what cannot be changed, says so', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const { Version, Spec } = await inspect(server, 'web')
  const path = `/services/web/update?version=${Version.Index}`
  const cases = [
    { query: '&rollback=previous', change: {}, status: 400, says: /does not have a previous spec/ },
    { query: '&rollback=all', change: {}, status: 400, says: /rollback=previous/ },
    { query: '', change: { Name: 'www' }, status: 501, says: /renaming services/ },
    { query: '', change: { Mode: { Global: {} } }, status: 501, says: /mode change/ },
    {
      query: '',
      change: { UpdateConfig: { Order: 'no' } },
      status: 400,
      says: /UpdateConfig.Order/,
    },
    {
      query: '',
      change: { RollbackConfig: { FailureAction: 'rollback' } },
      status: 400,
      says: /FailureAction/,
    },
  ]
  for (const { query, change, status, says } of cases) {
    const answer = await server.call('POST', path + query, { ...Spec, ...change })
    assert.equal(answer.status, status, answer.text)
    assert.match(messageOf(answer.json), says)
  }
})

test('a name and a port that are taken are a conflict that names the holder', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  const again = await server.call('POST', '/services/create', webSpec)
  assert.equal(again.status, 409)
  assert.match(messageOf(again.json), /web/)
  const other = await server.call('POST', '/services/create', { ...webSpec, Name: 'other' })
  assert.equal(other.status, 409)
  assert.match(messageOf(other.json), /8080\/tcp is taken\. Service web/)
})

test('one number is two ports, TCP and UDP, and each belongs to one service', async () => {
  await using server = await startApi()
  const publish = (Name: string, Protocol: string): Promise<{ status: number; text: string }> =>
    server.call('POST', '/services/create', {
      ...webSpec,
      Name,
      EndpointSpec: { Ports: [{ Protocol, TargetPort: 53, PublishedPort: 5300 }] },
    })
  for (const protocol of ['udp', 'tcp']) {
    assert.equal((await publish(protocol, protocol)).status, 201)
    const refused = await publish('other', protocol)
    assert.notEqual(refused.status, 201)
    assert.match(refused.text, new RegExp(`5300.*${protocol}`))
  }
  const holder = server.mesh.view().catalog.holder('port/udp/5300')
  assert.equal(holder?.id, (await inspect(server, 'udp')).ID)
})

test('a label that means nothing to UDP is refused on a UDP port', async () => {
  await using server = await startApi()
  const spec = {
    ...webSpec,
    Labels: { 'mesh.ingress.5300.proxy-protocol': 'v2' },
    EndpointSpec: { Ports: [{ Protocol: 'udp', TargetPort: 53, PublishedPort: 5300 }] },
  }
  const { status, json } = await server.call('POST', '/services/create', spec)
  assert.equal(status, 501)
  assert.match(messageOf(json), /proxy-protocol has no effect on port 5300\/udp/)
})

test("a node's own port cannot be published", async () => {
  await using server = await startApi()
  const [port] = webSpec.EndpointSpec.Ports
  const EndpointSpec = { Ports: [{ ...port, PublishedPort: 7946 }] }
  const { status, json } = await server.call('POST', '/services/create', {
    ...webSpec,
    EndpointSpec,
  })
  assert.equal(status, 400)
  assert.match(messageOf(json), /7946/)
})

test('a removed service is gone, and its name and port are free again', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  assert.equal((await server.call('DELETE', '/services/web')).status, 200)
  assert.equal((await server.call('GET', '/services/web')).status, 404)
  await create(server, webSpec)
})

test('services are filtered by name, mode and label', async () => {
  await using server = await startApi()
  await create(server, webSpec)
  await create(server, fullSpec)
  const names = async (filters: object): Promise<string[]> => {
    const query = encodeURIComponent(JSON.stringify(filters))
    const { json } = await server.call('GET', `/services?status=true&filters=${query}`)
    return (json as ShownService[]).map(({ Spec }) => Spec.Name)
  }
  assert.deepEqual(await names({ name: { we: true } }), ['web'])
  assert.deepEqual(await names({ name: ['web', 'full'] }), ['web', 'full'])
  assert.deepEqual(await names({ label: ['x=y'] }), ['full'])
  assert.deepEqual(await names({ label: { x: true } }), ['full'])
  assert.deepEqual(await names({ mode: ['global'] }), [])
})

test('without a leader reads and writes are 503 and name who is missing', async () => {
  await using server = await startApi()
  server.mesh.fault = new MeshError({ code: 'raft/no-leader', unreachable: ['n2', 'n3'] })
  for (const [method, path] of [
    ['GET', '/services'],
    ['POST', '/services/create'],
  ] as const) {
    const { status, json } = await server.call(
      method,
      path,
      method === 'POST' ? webSpec : undefined,
    )
    assert.equal(status, 503)
    assert.match(messageOf(json), /n2, n3/)
  }
})

test('a write whose fate is unknown is 503, never a refusal', async () => {
  await using server = await startApi()
  const fault = new MeshError({ code: 'raft/outcome-unknown', request: 'r' })
  server.mesh.propose = () => Promise.reject(fault)
  const { status, json } = await server.call('POST', '/services/create', webSpec)
  assert.equal(status, 503)
  assert.match(messageOf(json), /not known whether/)
})
