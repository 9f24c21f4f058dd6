import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cluster, type Daemon, eventually, runProgram } from '../support/daemon.ts'
import {
  type DockerEngineHandle,
  dockerUnavailable,
  startDockerEngine,
} from '../support/docker-engine.ts'
import { get } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'
import { Registry, registryUnavailable } from '../support/registry.ts'

const reason = dockerUnavailable() ?? registryUnavailable()
const port = 18_081
const password = 'secret'
const account = {
  user: 'mesh',
  hash: '$2b$05$xThVn/xYeDRB402yjiKMq.UKcFmdL5jX5yppGygwSHN6FXcvWHWbC',
}

interface Inspected {
  readonly Config: Readonly<Record<string, unknown>>
  readonly HostConfig: Readonly<Record<string, unknown>>
  readonly State: { readonly Running: boolean }
}

interface ShownTask {
  readonly Status: {
    readonly State: string
    readonly Message?: string
    readonly Err?: string
    readonly PortStatus?: { readonly Ports?: readonly { readonly PublishedPort?: number }[] }
  }
}

describe('containers on a real engine', { skip: reason ?? false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mco-'))
  const dockerConfig = join(dir, 'config')
  const open = new Registry({ port: 5000, dir: join(dir, 'open') })
  const closed = new Registry({ port: 5001, dir: join(dir, 'closed'), account })
  let engine: DockerEngineHandle
  let cluster: Cluster
  let node: Daemon
  let other: Daemon

  before(async () => {
    engine = await startDockerEngine({ name: 'containers', dir: join(dir, 'e') })
    await engine.importBusyboxImage('busybox:latest')
    await Promise.all([open.start(), closed.start()])
    mkdirSync(dockerConfig)
    const auth = Buffer.from(`${account.user}:${password}`).toString('base64')
    const auths = { [closed.host]: { auth } }
    writeFileSync(join(dockerConfig, 'config.json'), JSON.stringify({ auths }))
    cluster = new Cluster('127.0.40', { runtime: 'docker', dockerSocket: engine.socket })
    node = await cluster.startNode('manager')
    other = await cluster.startNode('worker')
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await engine?.stop()
    await Promise.all([open.stop(), closed.stop()])
    rmSync(dir, { recursive: true, force: true })
  })

  async function docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await cli(...words)
    assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  const cli = (...words: string[]): ReturnType<typeof runProgram> =>
    runProgram('docker', ['--config', dockerConfig, '-H', `unix://${node.socketPath}`, ...words])

  /** Without asking registries of the world, which tests cannot reach. */
  const create = (name: string, ...words: string[]): Promise<string> =>
    createPinned(name, '--no-resolve-image', ...words)

  const createPinned = (name: string, ...words: string[]): Promise<string> =>
    docker('service', 'create', '-qd', '--stop-grace-period', '1s', '--name', name, ...words)

  /** Our tasks' containers as the engine itself lists them. */
  function containers(service: string, ...flags: string[]): string[] {
    const filter = `label=com.docker.swarm.service.name=${service}`
    const ids = engine.docker('ps', '-q', '--no-trunc', '--filter', filter, ...flags)
    return ids.split('\n').filter((id) => id !== '')
  }

  const inspect = (container: string): Inspected =>
    (JSON.parse(engine.docker('inspect', container)) as [Inspected])[0]

  const runs = (service: string, count = 1): Promise<void> =>
    eventually(`${service} runs`, 30_000, async () => {
      return (await runningTasks(node, service)) === count && containers(service).length === count
    })

  async function tasks(service: string): Promise<ShownTask[]> {
    const ids = (await docker('service', 'ps', '-q', '--no-trunc', service)).split('\n')
    return JSON.parse(await docker('inspect', '--type', 'task', ...ids)) as ShownTask[]
  }

  const taskWith = (service: string, pattern: RegExp): Promise<void> =>
    eventually(`a task of ${service} says ${pattern}`, 40_000, async () => {
      const words = (await tasks(service)).map(({ Status }) =>
        [Status.State, Status.Message, Status.Err].join(' | '),
      )
      if (words.some((word) => pattern.test(word))) return true
      throw new Error(words.join('\n'))
    })

  /** The container of a service that runs one. */
  async function only(service: string): Promise<string> {
    await runs(service)
    return containers(service)[0] as string
  }

  /** Whatever the engine has, ours or not. */
  const kept = (): string[] => [engine.docker('ps', '-aq'), engine.docker('volume', 'ls', '-q')]

  async function gone(service: string): Promise<void> {
    await docker('service', 'rm', service)
    await eventually(`nothing of ${service} is left`, 30_000, () => {
      return containers(service, '-a').length === 0
    })
  }

  test('everything that a spec says of a container, the engine is told', async () => {
    const source = join(dir, 'bound')
    mkdirSync(source)
    await create(
      'full',
      ...['--user', '1000:1000', '--group', '1001', '--workdir', '/tmp'],
      ...['--hostname', '{{.Service.Name}}-{{.Task.Slot}}', '--container-label', 'team=blue'],
      ...['--label', 'tier=gold', '--env', 'A={{index .Service.Labels "tier"}}@{{.Node.Hostname}}'],
      ...['--env', 'P={{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}'],
      ...['--mount', `type=bind,source=${source},target=/bound,readonly`],
      ...['--mount', 'type=volume,source=data-{{.Task.Slot}},target=/data,volume-label=a=b'],
      ...['--mount', 'type=tmpfs,target=/scratch,tmpfs-size=1048576,tmpfs-mode=1770'],
      ...['--limit-cpu', '0.5', '--limit-memory', '64m', '--limit-pids', '50'],
      ...['--ulimit', 'nofile=512:1024', '--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'],
      ...['--cap-add', 'NET_ADMIN', '--cap-drop', 'CHOWN', '--init', '--read-only', '--tty'],
      ...['--stop-signal', 'SIGINT', '--oom-score-adj', '100'],
      ...['--dns', '198.51.100.7', '--dns-search', 'example.com', '--dns-option', 'ndots:2'],
      ...['--host', 'db:198.51.100.8', '--log-driver', 'json-file', '--log-opt', 'max-size=1m'],
      ...['--health-cmd', 'true', '--health-interval', '1s', '--health-retries', '2'],
      ...['--constraint', 'node.hostname==n2', 'busybox', 'sleep', '600'],
    )
    await runs('full')
    const [id] = containers('full') as [string]
    const { Config, HostConfig } = inspect(id)
    const env = Config['Env'] as string[]
    assert.ok(env.includes('A=gold@n2'), env.join(' '))
    assert.ok(env.includes('P=linux/x86_64'), env.join(' '))
    assert.deepEqual(
      [Config['User'], Config['WorkingDir'], Config['Hostname'], Config['Tty']],
      ['1000:1000', '/tmp', 'full-1', true],
    )
    assert.equal((Config['Labels'] as Record<string, string>)['team'], 'blue')
    assert.equal(Config['StopSignal'], 'SIGINT')
    assert.deepEqual(Config['Healthcheck'], {
      Test: ['CMD-SHELL', 'true'],
      Interval: 1e9,
      Retries: 2,
    })
    const wanted = {
      NanoCpus: 5e8,
      Memory: 64 * 1024 * 1024,
      PidsLimit: 50,
      CapAdd: ['CAP_NET_ADMIN'],
      CapDrop: ['CAP_CHOWN'],
      GroupAdd: ['1001'],
      Init: true,
      ReadonlyRootfs: true,
      OomScoreAdj: 100,
      Dns: ['198.51.100.7'],
      DnsSearch: ['example.com'],
      DnsOptions: ['ndots:2'],
      ExtraHosts: ['db:198.51.100.8'],
      Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      Ulimits: [{ Name: 'nofile', Soft: 512, Hard: 1024 }],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    }
    const told = Object.fromEntries(Object.keys(wanted).map((name) => [name, HostConfig[name]]))
    assert.deepEqual(told, wanted)
    const exec = (...words: string[]): string => engine.docker('exec', id, ...words)
    assert.match(exec('mount'), /\/scratch type tmpfs .*size=1024k,mode=1770/)
    assert.match(exec('id'), /uid=1000 gid=1000 groups=1000,1001|groups=1001/)
    assert.throws(() => exec('touch', '/bound/x'), /Read-only/)
    assert.match(engine.docker('volume', 'inspect', 'data-1'), /"a": "b"/)
    await gone('full')
    engine.docker('volume', 'rm', 'data-1')
  })

  test('a bind mount without its source is rejected, and says which path', async () => {
    const mount = ['--mount', 'type=bind,source=/no/such/folder,target=/x']
    await create('bind', '--restart-condition', 'none', ...mount, 'busybox', 'sleep', '600')
    await taskWith('bind', /^rejected .*bind source path does not exist: \/no\/such\/folder/)
    await gone('bind')
  })

  test('fields without an effect are refused by name', async () => {
    const { code, stderr } = await cli(
      ...[
        'service',
        'create',
        '-d',
        '--no-resolve-image',
        '--mount',
        'type=cluster,source=x,target=/x',
        'busybox',
      ],
    )
    assert.notEqual(code, 0)
    assert.match(stderr, /Mounts\.0\.Type .*no effect yet/)
    const wrong = await cli(
      ...['service', 'create', '-d', '--no-resolve-image', '--env', 'A={{.Nobody.ID}}', 'busybox'],
    )
    assert.match(wrong.stderr, /Env\.0.*\{\{\.Nobody\.ID\}\} names nothing known/)
  })

  test('healthy gates running and routing; an unhealthy container is stopped and replaced', async () => {
    const script = 'while [ ! -e /tmp/up ]; do sleep 0.1; done; exec httpd -f -p 80 -h /etc'
    await create(
      'well',
      ...['--publish', `${port}:80`, '--restart-delay', '100ms'],
      ...['--health-cmd', 'test -e /tmp/well || { echo not well; false; }'],
      ...['--health-interval', '300ms', '--health-retries', '3', '--health-start-period', '5s'],
      ...['busybox', 'sh', '-c', script],
    )
    await eventually('its container is up', 20_000, () => containers('well').length === 1)
    const [id] = containers('well') as [string]
    engine.docker('exec', id, 'touch', '/tmp/up')
    await taskWith('well', /^starting /)
    assert.equal(await runningTasks(node, 'well'), 0, 'not before its check says so')
    engine.docker('exec', id, 'touch', '/tmp/well')
    await runs('well')
    assert.equal((await get(`http://${node.address}:${port}/hostname`, 5000)).status, 200)
    engine.docker('exec', id, 'rm', '/tmp/well')
    await taskWith('well', /^failed .*unhealthy container: not well/)
    await eventually('another one', 20_000, () => {
      const now = containers('well')
      return now.length === 1 && now[0] !== id
    })
    await gone('well')
  })

  test("what is done to a container by hand becomes its task's state", async () => {
    const flags = ['--replicas', '1', '--restart-delay', '100ms']
    await create(
      'hand',
      ...flags,
      '--publish',
      `${port}:80`,
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/etc',
    )
    const first = await only('hand')
    engine.docker('pause', first)
    await taskWith('hand', /^running \| paused by hand/)
    engine.docker('unpause', first)
    await taskWith('hand', /^running \| started/)
    engine.docker('kill', first)
    await taskWith('hand', /^failed .*non-zero exit \(137\)/)
    const second = await only('hand')
    engine.docker('rm', '-f', second)
    await taskWith('hand', /^failed .*its container is gone|^failed .*137/)
    const third = await only('hand')
    engine.docker('restart', '-t', '0', third)
    await taskWith('hand', /^failed .*(restarted by hand|non-zero exit \(\d+\))/)
    assert.notEqual(await only('hand'), third)
    await eventually('the old one does not run on', 10_000, () => {
      return !inspect(third).State.Running
    })
    engine.docker('start', third)
    await eventually('nor when somebody starts it', 10_000, () => !inspect(third).State.Running)
    const paused = await only('hand')
    engine.docker('pause', paused)
    await gone('hand')
  })

  test('exit codes, last words and memory that ran out are told', async () => {
    const once = ['--restart-condition', 'none']
    await create('words', ...once, 'busybox', 'sh', '-c', 'echo the disk is full >&2; exit 3')
    await taskWith('words', /^failed .*non-zero exit \(3\): the disk is full/)
    await create('done', ...once, 'busybox', 'true')
    await taskWith('done', /^complete \| finished/)
    const eater = ['dd', 'if=/dev/zero', 'of=/tmp/x', 'bs=1M', 'count=64']
    const limits = ['--limit-memory', '8m', '--mount', 'type=tmpfs,target=/tmp']
    await create('oom', ...once, ...limits, 'busybox', ...eater)
    await taskWith('oom', /^failed .*non-zero exit \(137\): out of memory/)
    const wrong = ['busybox', 'no-such-program']
    await create('wrong', ...once, ...wrong)
    await taskWith('wrong', /^failed .*no-such-program/)
    for (const name of ['words', 'done', 'oom', 'wrong']) await gone(name)
  })

  test('an image is pinned by its digest, pulled, and used though its registry is down', async () => {
    const image = `${open.host}/app:1`
    engine.docker('tag', 'busybox:latest', image)
    engine.docker('push', '-q', image)
    engine.docker('rmi', image)
    await createPinned('app', image, 'sleep', '600')
    await runs('app')
    const pinned = await docker(
      ...['service', 'inspect', '--format', '{{.Spec.TaskTemplate.ContainerSpec.Image}}', 'app'],
    )
    assert.match(pinned, /^127\.0\.0\.1:5000\/app:1@sha256:[0-9a-f]{64}$/)
    await open.stop()
    await docker('service', 'scale', '-d', 'app=2')
    await runs('app', 2)
    await gone('app')
    await open.start()
  })

  test('a pull that fails says where and why, and is tried again until it works', async () => {
    const image = `${open.host}/late:1`
    await open.stop()
    await create('late', image, 'sleep', '600')
    await taskWith(
      'late',
      /^preparing \| tries again in \d s \| No such image: 127\.0\.0\.1:5000\/late:1.*on node n[12]/,
    )
    await open.start()
    engine.docker('tag', 'busybox:latest', image)
    engine.docker('push', '-q', image)
    engine.docker('rmi', image)
    await runs('late')
    await gone('late')
    await create('never', `${open.host}/never:1`, 'sleep', '600')
    await taskWith('never', /^rejected .*No such image: .*never:1/)
    await gone('never')
  })

  test('credentials come with the service, reach its node, and are shown to nobody', async () => {
    const image = `${closed.host}/private:1`
    engine.docker('tag', 'busybox:latest', image)
    const pushed = await runProgram('docker', [
      ...['--config', dockerConfig, '-H', `unix://${engine.socket}`, 'push', '-q', image],
    ])
    assert.equal(pushed.code, 0, pushed.stderr)
    engine.docker('rmi', image)
    const once = ['--restart-condition', 'none', '--constraint', 'node.hostname==n2']
    await create('shut', ...once, image, 'sleep', '600')
    await taskWith('shut', /^rejected .*(no basic auth|unauthorized|denied)/)
    await createPinned('member', '--with-registry-auth', ...once, image, 'sleep', '600')
    await runs('member')
    await docker('service', 'scale', '-d', 'member=2')
    await runs('member', 2)
    const secret = Buffer.from(password).toString('base64').slice(0, 6)
    const shown = [
      await docker('service', 'inspect', 'member'),
      JSON.stringify(await tasks('member')),
      node.log(),
      other.log(),
    ].join('\n')
    for (const word of ['PullOptions', 'RegistryAuth', password, secret]) {
      assert.ok(!shown.includes(word), word)
    }
    for (const name of ['shut', 'member']) await gone(name)
  })

  test('a host-mode port is on its node alone, and two tasks never share it', async () => {
    const publish = `mode=host,published=${port + 1},target=80`
    const httpd = ['busybox', 'httpd', '-f', '-h', '/etc']
    await create('host', '--publish', publish, '--replicas', '3', ...httpd)
    await taskWith('host', new RegExp(`^pending .*host-mode port ${port + 1}/tcp already in use`))
    await runs('host', 2)
    for (const { address } of [node, other]) {
      await eventually(`${address} answers`, 20_000, async () => {
        return (await get(`http://${address}:${port + 1}/hostname`)).status === 200
      })
    }
    const ports = (await tasks('host')).flatMap(({ Status }) => Status.PortStatus?.Ports ?? [])
    assert.deepEqual(
      ports.map(({ PublishedPort }) => PublishedPort),
      [port + 1, port + 1],
    )
    const taken = await cli(
      ...['service', 'create', '-d', '--no-resolve-image', '-p', `${port + 1}:80`, ...httpd],
    )
    assert.match(taken.stderr, /published in mode host by service host/)
    await gone('host')
    await create('any', '--publish', 'mode=host,target=80', ...httpd)
    await runs('any')
    const [task] = await tasks('any')
    assert.ok((task?.Status.PortStatus?.Ports?.[0]?.PublishedPort ?? 0) > 1024)
    await gone('any')
  })

  test('an engine that hangs gets no new tasks, keeps its routes, and is read anew', async () => {
    const httpd = ['busybox', 'httpd', '-f', '-h', '/etc']
    await create('stay', '--publish', `${port}:80`, '--replicas', '2', ...httpd)
    await runs('stay', 2)
    process.kill(engine.pid, 'SIGSTOP')
    try {
      await eventually('the nodes show it', 40_000, async () => {
        const { stdout } = await node.meshctl('node', 'inspect', 'n1')
        return stdout.includes('does not answer')
      })
      assert.equal((await get(`http://${node.address}:${port}/hostname`)).status, 200)
      await docker('service', 'scale', '-d', 'stay=3')
      await eventually('the third waits', 10_000, async () => {
        const rows = await lines(node, 'service', 'ps', 'stay', '--no-trunc')
        return rows.some((row) => row.includes('container engine does not answer'))
      })
      assert.equal(await runningTasks(node, 'stay'), 2)
    } finally {
      process.kill(engine.pid, 'SIGCONT')
    }
    await runs('stay', 3)
    await gone('stay')
  })

  test('an engine that crashes loses its containers, and they are replaced', async () => {
    await create('crash', '--replicas', '2', '--restart-delay', '100ms', 'busybox', 'sleep', '600')
    await runs('crash', 2)
    const before = containers('crash')
    await engine.kill()
    await engine.restart()
    await eventually('others run', 60_000, () => {
      const now = containers('crash')
      return now.length === 2 && !now.some((id) => before.includes(id))
    })
    await runs('crash', 2)
    await gone('crash')
  })

  test('nothing leaks, however often services come and go', async () => {
    const rounds = Number(process.env['MESH_LEAK_ROUNDS'] ?? 12)
    const before = kept()
    const mount = ['--mount', 'type=volume,target=/data']
    for (let round = 0; round < rounds; round++) {
      await create(`leak${round}`, '--init', ...mount, 'busybox', 'sleep', '600')
      if (round % 2 === 0) await runs(`leak${round}`)
      await docker('service', 'rm', `leak${round}`)
    }
    await eventually('nothing is left', 60_000, () => {
      assert.deepEqual(kept(), before)
      return true
    })
    const services = await lines(node, 'service', 'ls', '--format', '{{.Name}}')
    assert.ok(!services.some((name) => name.startsWith('leak')))
  })
})

describe('the same with plain processes', () => {
  let cluster: Cluster
  let node: Daemon

  before(async () => {
    cluster = new Cluster('127.0.40')
    node = await cluster.startNode('manager')
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  async function create(name: string, ...words: string[]): Promise<void> {
    const { code, stderr } = await node.meshctl('service', 'create', '-d', '--name', name, ...words)
    assert.equal(code, 0, stderr)
  }
  const rows = (service: string): Promise<string[]> =>
    lines(node, 'service', 'ps', '--no-trunc', service, '--format', '{{.CurrentState}} {{.Error}}')
  const says = (service: string, pattern: RegExp): Promise<void> =>
    eventually(`${service} says ${pattern}`, 20_000, async () => {
      const found = await rows(service)
      if (found.some((row) => pattern.test(row))) return true
      throw new Error(found.join('\n'))
    })

  test('a host-mode port is the PORT that the process is told', async () => {
    await create('host', '-p', `mode=host,published=${port + 2},target=80`, 'meshd/whoami')
    await eventually('it answers', 20_000, async () => {
      return (await get(`http://${node.address}:${port + 2}/`)).status === 200
    })
    await create('two', '-p', `mode=host,published=${port + 2},target=80`, 'meshd/whoami')
    await says('two', new RegExp(`^Pending.*host-mode port ${port + 2}/tcp already in use`))
  })

  test('a health check gates running, and an unhealthy process is replaced', async () => {
    const flags = ['--health-cmd', 'test -e well', '--health-interval', '100ms']
    flags.push('--health-retries', '3', '--health-start-period', '20s', '--restart-delay', '100ms')
    flags.push('--health-start-interval', '100ms', '--workdir', cluster.dir)
    await create('well', ...flags, 'any', 'sleep', '600')
    await says('well', /^Starting/)
    writeFileSync(join(cluster.dir, 'well'), '')
    await says('well', /^Running/)
    rmSync(join(cluster.dir, 'well'))
    await says('well', /^Failed.*unhealthy container/)
    await says('well', /^Starting/)
  })

  test('a service that needs a container waits for a node that has them', async () => {
    await create('mounts', '--mount', 'type=tmpfs,target=/x', 'any', 'sleep', '600')
    await says('mounts', /^Pending.*runtime process has no Mounts/)
  })
})
