import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import { startApi } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

test('a created service is waited for, task by task, and ends with its URLs', async () => {
  await using server = await startApi()
  const args = ['service', 'create', '--name', 'web', '--replicas', '2', '-p', '8080:80', 'img']
  const { code, out, err } = await meshctl(server.socketPath, args)
  assert.equal(code, 0, err)
  const [id, ...lines] = out.trimEnd().split('\n')
  assert.match(id ?? '', /^[0-9a-z]{25}$/)
  assert.deepEqual(lines, [
    'web.1: running on n1',
    'web.2: running on n2',
    'service web converged',
    'it answers on:',
    '  http://127.0.0.1:8080',
    '  http://127.0.0.2:8080',
    '  http://127.0.0.3:8080',
  ])
})

test('a node that could not bind the port is warned of, not promised', async () => {
  await using server = await startApi()
  server.mesh.portConflicts['8080'] = 'another program listens there'
  const args = ['service', 'create', '-p', '8080:80', 'img']
  const { code, out, err } = await meshctl(server.socketPath, args)
  assert.equal(code, 0)
  assert.doesNotMatch(out, /127\.0\.0\.1:8080/)
  assert.match(out, /127\.0\.0\.2:8080/)
  assert.equal(err, 'warning: port 8080 is closed on n1: another program listens there\n')

  const id = out.slice(0, 25)
  const service = await meshctl(server.socketPath, ['service', 'inspect', '--pretty', id])
  assert.match(service.out, /Closed Ports:\n 8080 on n1: another program listens there/)
  const node = await meshctl(server.socketPath, ['node', 'inspect', '--pretty', 'n1'])
  assert.match(node.out, /Closed Ports:\n 8080: another program listens there/)
})

test('with --detach only the id is printed, with --quiet nothing but it', async () => {
  await using server = await startApi()
  for (const flag of ['--detach', '--quiet']) {
    const { code, out } = await meshctl(server.socketPath, ['service', 'create', flag, 'img'])
    assert.equal(code, 0)
    assert.match(out, /^[0-9a-z]{25}\n$/)
  }
})

test('flags after the image belong to the container', async () => {
  await using server = await startApi()
  const args = ['service', 'create', '-d', '--name', 'a', 'img', 'sh', '-c', 'x y', '--name', 'z']
  assert.equal((await meshctl(server.socketPath, args)).code, 0)
  const format = '{{json .Spec.TaskTemplate.ContainerSpec.Args}}'
  const { out } = await meshctl(server.socketPath, ['service', 'inspect', '-f', format, 'a'])
  assert.equal(out, '["sh","-c","x y","--name","z"]\n')
})

test('what a service may lack is null to a template, and absent from the whole', async () => {
  await using server = await startApi()
  const create = ['service', 'create', '-d', '--name', 'a', 'img', 'sh']
  assert.equal((await meshctl(server.socketPath, create)).code, 0)
  const inspect = async (format: string): Promise<string> =>
    (await meshctl(server.socketPath, ['service', 'inspect', '-f', format, 'a'])).out
  assert.equal(await inspect('{{json .UpdateStatus}} {{json .PreviousSpec}}'), 'null null\n')
  assert.doesNotMatch(await inspect('{{json .}}'), /UpdateStatus/)
  assert.equal(await inspect('{{.Nothing}}'), '')
})

test('what cannot be placed says why after 2 s, a line a filter, and ends with 6', async () => {
  await using server = await startApi()
  server.mesh.stuck.set('web', 'no suitable node')
  const { code, out, err } = await meshctl(server.socketPath, [
    ...['service', 'create', '--name', 'web', '--constraint', 'node.role==worker'],
    ...['--timeout', '5s', 'img'],
  ])
  assert.equal(code, 6)
  assert.match(out, / \* 3 nodes: constraint node\.role==worker not satisfied\nhint: /)
  assert.equal(out.match(/tasks wait for a node/g)?.length, 1)
  assert.match(err, /^error: service web did not converge within 5 s: 0 out of 1 tasks run\nwhy: /)
})

test('on a terminal a bar a task is drawn over itself', async () => {
  await using server = await startApi()
  const args = ['service', 'create', '--name', 'web', 'img']
  const { out } = await meshctl(server.socketPath, args, { isTerminal: true })
  assert.match(out, /overall progress: 1 out of 1 tasks/)
  assert.match(out, /web\.1 {2}running +\[=+>\] n1/)
})

test('Ctrl-C ends the waiting, not the service', async () => {
  await using server = await startApi()
  server.mesh.stuck.set('web', 'no suitable node')
  const interrupt = AbortSignal.abort()
  const args = ['service', 'create', '--name', 'web', 'img']
  const { code, err } = await meshctl(server.socketPath, args, { interrupt })
  assert.equal(code, 130)
  assert.match(err, /continues in the background/)
  assert.equal((await meshctl(server.socketPath, ['service', 'ps', 'web'])).code, 0)
})

test('services are listed and shown as docker does it', async () => {
  await using server = await startApi()
  await meshctl(server.socketPath, [
    ...['service', 'create', '-d', '--name', 'web', '--replicas', '2', '-p', '8080:80', 'img:1'],
  ])
  const ls = await meshctl(server.socketPath, ['service', 'ls'])
  const [head, row] = ls.out.split('\n')
  assert.equal(head, 'ID             NAME      MODE         REPLICAS   IMAGE     PORTS')
  assert.match(row ?? '', /^[0-9a-z]{12} {3}web +replicated {3}2\/2 {8}img:1 {5}\*:8080->80\/tcp$/)
  const ps = await meshctl(server.socketPath, [
    ...['service', 'ps', 'web', '--filter', 'desired-state=running'],
    ...['--format', '{{.Name}} {{.Node}} {{.CurrentState}}'],
  ])
  assert.match(ps.out, /^web\.1 n1 Running .* ago\nweb\.2 n2 Running .* ago\n$/)
  const pretty = await meshctl(server.socketPath, ['service', 'inspect', '--pretty', 'web'])
  assert.match(pretty.out, /Replicas:\t2\n/)
  const json = await meshctl(server.socketPath, ['service', 'ls', '--format', 'json'])
  assert.equal((JSON.parse(json.out) as { Name: string }).Name, 'web')
})

test('scale takes several services, and retries when somebody was faster', async () => {
  await using server = await startApi()
  for (const name of ['a', 'b']) {
    await meshctl(server.socketPath, ['service', 'create', '-d', '--name', name, 'img'])
  }
  const propose = server.mesh.propose.bind(server.mesh)
  let isFirst = true
  server.mesh.propose = async (changes, request) => {
    const [change] = changes
    if (isFirst && change?.kind === 'update') {
      isFirst = false
      await propose([{ ...change, ifVersion: null }])
    }
    return propose(changes, request)
  }
  const { code, out, err } = await meshctl(server.socketPath, ['service', 'scale', 'a=3', 'b=0'])
  assert.equal(code, 0, err)
  assert.match(out, /a scaled to 3\nb scaled to 0\n/)
  const ls = await meshctl(server.socketPath, [
    'service',
    'ls',
    '--format',
    '{{.Name}} {{.Replicas}}',
  ])
  assert.equal(ls.out, 'a 3/3\nb 0/0\n')
})

test('nodes are listed with their runtime in plain words, inspected and changed', async () => {
  await using server = await startApi()
  const ls = await meshctl(server.socketPath, ['node', 'ls'])
  assert.match(ls.out, /^ID +HOSTNAME +STATUS +AVAILABILITY +MANAGER STATUS +RUNTIME/)
  assert.match(ls.out, / \* +n1 +Ready +Active +Leader +process \(no containers\)/)
  const quiet = await meshctl(server.socketPath, ['node', 'ls', '-q'])
  assert.deepEqual(quiet.out.trimEnd().split('\n').toSorted(), server.mesh.nodeIds.toSorted())
  await meshctl(server.socketPath, [
    ...['node', 'update', '--availability', 'drain', '--label-add', 'disk=ssd', 'n2'],
  ])
  const format = '{{.Spec.Availability}} {{index .Spec.Labels "disk"}}'
  const one = await meshctl(server.socketPath, ['node', 'inspect', '-f', format, 'n2'])
  assert.equal(one.out, 'drain ssd\n')
  const self = await meshctl(server.socketPath, ['node', 'inspect', '--pretty', 'self'])
  assert.match(self.out, new RegExp(`ID:\\s+${server.mesh.self}`))
  const ps = await meshctl(server.socketPath, ['node', 'ps'])
  assert.match(ps.out, /^ID +NAME/)
})

test('a node whose engine does not answer is listed as one that takes no tasks', async () => {
  await using server = await startApi()
  const stored = server.mesh.view().catalog.get('node', server.mesh.self)
  assert.ok(stored !== undefined)
  const Status = { State: 'ready', Message: 'the container engine does not answer', Addr: 'a' }
  const body = { ...(stored.body as object), Status }
  await server.mesh.propose([{ kind: 'update', object: { ...stored, body }, ifVersion: null }])
  const ls = await meshctl(server.socketPath, ['node', 'ls'])
  assert.match(ls.out, / \* +n1 +Ready +Active +Leader +process \(takes no tasks\)/)
  assert.match(ls.out, / n2 +Ready +Active +\S* *process \(no containers\)/)
})

test('join-token prints the line for the newcomer, and rotates', async () => {
  await using server = await startApi()
  const whole = await meshctl(server.socketPath, ['swarm', 'join-token', 'worker'])
  const token = /meshd up --join (SWMTKN-1-digest-[0-9a-z]{25})@127\.0\.0\.1:2377\n/.exec(whole.out)
  assert.ok(token?.[1] !== undefined, whole.out)
  const before = await meshctl(server.socketPath, ['swarm', 'join-token', '-q', 'worker'])
  assert.equal(before.out, `${token[1]}\n`)
  const after = await meshctl(server.socketPath, [
    'swarm',
    'join-token',
    '-q',
    '--rotate',
    'worker',
  ])
  assert.notEqual(after.out, before.out)
})

test('the exit code says what kind of failure it was, and the words what to do', async (t) => {
  await using server = await startApi()
  await meshctl(server.socketPath, ['service', 'create', '-d', '--name', 'web', 'img'])
  const cases: readonly (readonly [string, string[], number, RegExp])[] = [
    ['an unknown flag', ['service', 'create', '--replica', '3', 'x'], 2, /--replica'/],
    ['an unknown command', ['service', 'creat'], 2, /Did you mean create/],
    ['no image', ['service', 'create'], 2, /image/],
    ['a bad port', ['service', 'create', '-p', '1:2:3', 'x'], 2, /invalid --publish "1:2:3"/],
    [
      'an address to publish on',
      ['service', 'create', '-p', '10.0.0.1:80:80', 'x'],
      2,
      /every node/,
    ],
    ['a bad size', ['service', 'create', '--limit-memory', 'lots', 'x'], 2, /512m/],
    ['a bad duration', ['service', 'create', '--timeout', '5', 'x'], 2, /1m30s/],
    ['a bad mode', ['service', 'create', '--mode', 'job', 'x'], 2, /replicated or global/],
    ['a bad filter', ['service', 'ls', '-f', 'web'], 2, /key=value/],
    ['a bad template', ['service', 'ls', '--format', '{{.Nope}}'], 2, /fields here: ID, Name/],
    ['a bad role', ['swarm', 'join-token', 'boss'], 2, /manager or worker/],
    ['a bad host', ['-H', 'ftp://x', 'info'], 2, /unix:\/\//],
    ['no such service', ['service', 'inspect', 'nosuch'], 3, /no such service: nosuch/],
    ['no such node', ['node', 'inspect', 'nosuch'], 3, /nosuch not found/],
    ['one of several missing', ['service', 'ps', 'web', 'nosuch'], 3, /no such service: nosuch/],
    [
      'a name that is taken',
      ['service', 'create', '--name', 'web', 'x'],
      4,
      /why: it belongs to web/,
    ],
    ['nobody there', ['-H', 'unix:///nowhere/x.sock', 'info'], 5, /try: start it with `meshd up`/],
    [
      'a field with no effect',
      ['service', 'create', '--endpoint-mode', 'dnsrr', 'x'],
      1,
      /Mode has no effect yet/,
    ],
  ]
  for (const [what, args, code, says] of cases) {
    await t.test(what, async () => {
      const ran = await meshctl(server.socketPath, args)
      assert.equal(ran.code, code, ran.err)
      assert.match(ran.err, says)
    })
  }
  assert.equal((await meshctl(server.socketPath, ['--help'])).code, 0)
})

test('a cluster without a leader is exit code 5, naming who is missing', async () => {
  await using server = await startApi()
  server.mesh.fault = new MeshError({ code: 'raft/no-leader', unreachable: ['n2'] })
  const { code, err } = await meshctl(server.socketPath, ['service', 'ls'])
  assert.equal(code, 5)
  assert.match(err, /why: managers that cannot be reached: n2/)
})

test('services are removed one by one, and the missing one is told', async () => {
  await using server = await startApi()
  await meshctl(server.socketPath, ['service', 'create', '-d', '--name', 'web', 'img'])
  const { code, out } = await meshctl(server.socketPath, ['service', 'rm', 'nope', 'web'])
  assert.equal(code, 3)
  assert.equal(out, 'web\n')
})
