import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { startApi, type ApiServer } from '../../support/api-server.ts'

const isMissing = spawnSync('docker', ['--version']).error !== undefined
const skip = isMissing ? "docker's CLI is not installed" : false

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

function docker(server: ApiServer, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const words = ['-H', `unix://${server.socketPath}`, ...args]
    execFile('docker', words, { timeout: 30_000 }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 255 : 0, out, err })
    })
  })
}

async function ok(server: ApiServer, ...args: string[]): Promise<string> {
  const { code, out, err } = await docker(server, ...args)
  assert.equal(code, 0, `docker ${args.join(' ')}: ${err}`)
  return out
}

test("docker's own CLI sees the cluster", { skip }, async () => {
  await using server = await startApi()
  const info = await ok(server, 'info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.Nodes}}')
  assert.equal(info, 'active 3\n')
  assert.equal(await ok(server, 'version', '--format', '{{.Server.APIVersion}}'), '1.50\n')
  const nodes = await ok(
    server,
    'node',
    'ls',
    '--format',
    '{{.Hostname}} {{.Self}} {{.ManagerStatus}}',
  )
  assert.equal(nodes, 'n1 true Leader\nn2 false Reachable\nn3 false Reachable\n')
  assert.match(await ok(server, 'node', 'inspect', '--pretty', 'self'), /Hostname:\s+n1\n/)
  assert.match(await ok(server, 'swarm', 'join-token', 'worker'), /SWMTKN-1-digest-/)
  for (const kind of ['network', 'secret', 'config', 'stack']) await ok(server, kind, 'ls')
})

test("docker's own CLI runs a service from creation to removal", { skip }, async () => {
  await using server = await startApi()
  const create = ['service', 'create', '--detach', '--name', 'web', '--replicas', '2']
  const created = await docker(server, ...create, '--publish', '8080:80', 'img:1', 'sh', '-c', 'x')
  assert.equal(created.code, 0, created.err)
  assert.match(created.err, /could not be accessed on a registry/)
  const ls = ['service', 'ls', '--format', '{{.Name}} {{.Replicas}} {{.Ports}}']
  assert.equal(await ok(server, ...ls), 'web 2/2 *:8080->80/tcp\n')
  const ps = await ok(server, 'service', 'ps', 'web', '--format', '{{.Name}} {{.Node}}')
  assert.equal(ps, 'web.1 n1\nweb.2 n2\n')
  assert.match(await ok(server, 'service', 'inspect', '--pretty', 'web'), /PublishedPort = 8080/)
  await ok(server, 'service', 'scale', '--detach', 'web=5')
  assert.equal(await ok(server, ...ls), 'web 5/5 *:8080->80/tcp\n')
  const onNode = await ok(server, 'node', 'ps', 'n1', '--format', '{{.Name}}')
  assert.deepEqual(onNode.trimEnd().split('\n').toSorted(), ['web.1', 'web.4'])
  assert.equal(await ok(server, 'service', 'rm', 'web'), 'web\n')
  assert.equal(await ok(server, ...ls), '')
})

test("docker's own CLI changes a node and shows what is refused", { skip }, async () => {
  await using server = await startApi()
  await ok(server, 'node', 'update', '--availability', 'drain', '--label-add', 'disk=ssd', 'n2')
  const format = '{{.Spec.Availability}} {{.Spec.Labels.disk}}'
  assert.equal(await ok(server, 'node', 'inspect', '--format', format, 'n2'), 'drain ssd\n')
  const demoted = await docker(server, 'node', 'demote', 'n2')
  assert.equal(demoted.code, 0, demoted.err)
  const mount = ['--mount', 'type=cluster,source=a,target=/b']
  const refused = await docker(server, 'service', 'create', '--detach', ...mount, 'img')
  assert.equal(refused.code, 1)
  assert.match(refused.err, /ContainerSpec\.Mounts.* has no effect yet/)
  const missing = await docker(server, 'service', 'inspect', 'nosuch')
  assert.match(missing.err, /no such service: nosuch/)
})

test("an update through docker's own CLI changes labels and ports", { skip }, async () => {
  await using server = await startApi()
  await ok(server, 'service', 'create', '--detach', '--name', 'web', '--publish', '8080:80', 'img')
  const update = ['service', 'update', '--detach', '--label-add', 'a=b']
  await ok(server, ...update, '--publish-rm', '80', '--publish-add', '9090:80', 'web')
  const format = '{{.Spec.Labels.a}} {{(index .Endpoint.Ports 0).PublishedPort}}'
  assert.equal(await ok(server, 'service', 'inspect', '--format', format, 'web'), 'b 9090\n')
  // Made without a tag, which docker's client adds to every update.
  const untagged = { TaskTemplate: { ContainerSpec: { Image: 'host:5000/img' } }, Name: 'plain' }
  assert.equal((await server.call('POST', '/services/create', untagged)).status, 201)
  await ok(server, 'service', 'scale', '--detach', 'plain=2')
  await ok(server, 'service', 'update', '--detach', '--force', 'web')
  const forced = ['service', 'inspect', '--format', '{{.Spec.TaskTemplate.ForceUpdate}}', 'web']
  assert.equal(await ok(server, ...forced), '1\n')
  await ok(server, 'service', 'rollback', '--detach', 'web')
  assert.equal(await ok(server, ...forced), '0\n')
})

test("docker's own CLI replaces the CA of the swarm", { skip }, async () => {
  await using server = await startApi()
  assert.equal(await ok(server, 'swarm', 'ca'), 'CERTIFICATE OF THE TEST\n')
  await ok(server, 'swarm', 'ca', '--rotate', '--detach')
  const { text } = await server.call('GET', '/swarm')
  assert.match(text, /"RootRotationInProgress":true/)
  const again = await docker(server, 'swarm', 'ca', '--rotate', '--detach')
  assert.match(again.err, /under way/)
})
