import assert from 'node:assert/strict'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { reportOf, type IngressPort } from '../../../src/api/ingress-report.ts'
import { startApi } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

const web: IngressPort = {
  ...{ port: 8080, protocol: 'tcp', mode: 'http', serviceId: 's1', serviceName: 'web', tasks: 2 },
  places: [{ host: '10.0.0.1', state: 'bound' }],
}
const taken: IngressPort = { ...web, places: [{ host: '10.0.0.2', state: 'taken' }] }

/** Three nodes: the one that is asked, one whose port is taken, and one that cannot be reached. */
async function startThree() {
  const other = createServer((_asked, answer) => answer.end(JSON.stringify(reportOf([taken]))))
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve))
  const agent = new Agent()
  const { port } = other.address() as AddressInfo
  const server = await startApi({
    ingressPorts: () => [web],
    dialApi: (node) => {
      const isThird = server.mesh.nodeIds[2] === node
      return { target: `http://127.0.0.1:${isThird ? 1 : port}`, agent }
    },
  })
  return {
    server,
    async [Symbol.asyncDispose]() {
      agent.destroy()
      other.close()
      other.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}

test('ports of every node are listed; who cannot be reached is named, with the reason', async () => {
  await using world = await startThree()
  const { out, code } = await meshctl(world.server.socketPath, ['ingress', 'ls'])
  assert.equal(code, 0)
  assert.deepEqual(
    out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['NODE', 'PORT', 'MODE', 'SERVICE', 'TASKS', 'BOUND', 'LISTENING', 'WARNINGS'],
      ['n1', '8080/tcp', 'http', 'web', '2', 'yes', '10.0.0.1'],
      ['n2', '8080/tcp', 'http', 'web', '2', 'no', '-', 'another program listens at 10.0.0.2'],
      ['n3', '-', '-', '-', '-', 'unknown', '-', out.match(/cannot be reached: .*$/m)?.[0] ?? ''],
    ],
  )
})

test('the list prints for programs, too', async () => {
  await using world = await startThree()
  const { socketPath, mesh } = world.server
  const [n1 = '', n2 = ''] = mesh.nodeIds
  const quiet = await meshctl(socketPath, ['ingress', 'ls', '-q'])
  assert.equal(quiet.out, `${n1}/8080/tcp\n${n2}/8080/tcp\n`)
  assert.match(quiet.err, /^warning: node n3 cannot be reached: /)
  const json = await meshctl(socketPath, ['ingress', 'ls', '--format', 'json'])
  const rows = json.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { Bound: string })
  assert.deepEqual(
    rows.map(({ Bound }) => Bound),
    ['yes', 'no', 'unknown'],
  )
})

test('a worker reports its own ports to managers, and leaves the list to them', async () => {
  await using server = await startApi({ ingressPorts: () => [web] })
  server.mesh.role = 'worker'
  assert.deepEqual((await server.call('GET', '/mesh/ingress/self')).json, reportOf([web]))
  assert.equal((await server.call('GET', '/mesh/ingress')).status, 503)
})

test('warnings say what keeps a port from being what it should be', () => {
  const warnings = (port: Partial<IngressPort>): readonly string[] | undefined =>
    reportOf([{ ...web, ...port }]).Ports[0]?.Warnings
  assert.deepEqual(warnings({}), [])
  assert.deepEqual(warnings({ tasks: 0 }), ['no task is ready'])
  assert.deepEqual(warnings({ places: [] }), ['about to listen'])
  const places = [
    { host: '10.0.0.1', state: 'bound' },
    { host: 'fd00::7', state: 'absent' },
  ] as const
  assert.deepEqual(warnings({ places }), ['the node does not have fd00::7'])
  assert.equal(reportOf([{ ...web, places }]).Ports[0]?.Bound, true)
  assert.equal(reportOf(null).Error, 'its ingress does not run')
})
