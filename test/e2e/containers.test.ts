import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ContainerStage } from '../support/container-stage.ts'
import { eventually } from '../support/daemon.ts'
import { dockerUnavailable } from '../support/docker-engine.ts'
import { get } from '../support/http.ts'
import { runningTasks } from '../support/meshctl.ts'

const port = 18_181

/** They mostly wait, each for services and ports of its own. */
const together = 3

describe(
  'containers on a real engine',
  { skip: dockerUnavailable() ?? false, concurrency: together },
  () => {
    let stage: ContainerStage

    before(async () => {
      stage = await ContainerStage.open({ name: 'containers', block: '127.0.26' })
    })
    after(() => stage?.close())

    test('everything that a spec says of a container, the engine is told', async () => {
      const source = join(stage.dir, 'bound')
      mkdirSync(source)
      await stage.create(
        'full',
        ...['--user', '1000:1000', '--group', '1001', '--workdir', '/tmp'],
        ...['--hostname', '{{.Service.Name}}-{{.Task.Slot}}', '--container-label', 'team=blue'],
        ...[
          '--label',
          'tier=gold',
          '--env',
          'A={{index .Service.Labels "tier"}}@{{.Node.Hostname}}',
        ],
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
      await stage.runs('full')
      const [id] = stage.containers('full') as [string]
      const { Config, HostConfig } = stage.inspect(id)
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
      const exec = (...words: string[]): string => stage.engine.docker('exec', id, ...words)
      assert.match(exec('mount'), /\/scratch type tmpfs .*size=1024k,mode=1770/)
      assert.match(exec('id'), /uid=1000 gid=1000 groups=1000,1001|groups=1001/)
      assert.throws(() => exec('touch', '/bound/x'), /Read-only/)
      assert.throws(() => exec('touch', '/x'), /Read-only/)
      const seen = ['/proc/1/cmdline', '/etc/hosts', '/etc/resolv.conf', '/proc/1/limits']
      const inside = exec('cat', ...seen, '/proc/sys/net/ipv4/ip_unprivileged_port_start')
      assert.match(inside, /^\S*docker-init[\s\S]*198\.51\.100\.8\s+db$/m)
      assert.match(inside, /^nameserver 198\.51\.100\.7$/m)
      assert.match(inside, /^Max open files\s+512\s+1024\s[\s\S]*^0$/m)
      assert.match(stage.engine.docker('volume', 'inspect', 'data-1'), /"a": "b"/)
      await stage.gone('full')
      stage.engine.docker('volume', 'rm', 'data-1')
    })

    test('a bind mount without its source is rejected, and says which path', async () => {
      const mount = ['--mount', 'type=bind,source=/no/such/folder,target=/x']
      await stage.create('bind', '--restart-condition', 'none', ...mount, 'busybox', 'sleep', '600')
      await stage.taskWith(
        'bind',
        /^rejected .*bind source path does not exist: \/no\/such\/folder/,
      )
      await stage.gone('bind')
    })

    test('fields without an effect are refused by name', async () => {
      const { code, stderr } = await stage.cli(
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
      const wrong = await stage.cli(
        ...[
          'service',
          'create',
          '-d',
          '--no-resolve-image',
          '--env',
          'A={{.Nobody.ID}}',
          'busybox',
        ],
      )
      assert.match(wrong.stderr, /Env\.0.*\{\{\.Nobody\.ID\}\} names nothing known/)
    })

    test('healthy gates running and routing; an unhealthy container is stopped and replaced', async () => {
      const script = 'while [ ! -e /tmp/up ]; do sleep 0.1; done; exec httpd -f -p 80 -h /etc'
      await stage.create(
        'well',
        ...['--publish', `${port}:80`, '--restart-delay', '100ms'],
        ...['--health-cmd', 'test -e /tmp/well || { echo not well; false; }'],
        ...['--health-interval', '300ms', '--health-retries', '3', '--health-start-period', '5s'],
        ...['busybox', 'sh', '-c', script],
      )
      await eventually('its container is up', 20_000, () => stage.containers('well').length === 1)
      const [id] = stage.containers('well') as [string]
      stage.engine.docker('exec', id, 'touch', '/tmp/up')
      await stage.taskWith('well', /^starting /)
      assert.equal(await runningTasks(stage.node, 'well'), 0, 'not before its check says so')
      stage.engine.docker('exec', id, 'touch', '/tmp/well')
      await stage.runs('well')
      assert.equal((await get(`http://${stage.node.address}:${port}/hostname`, 5000)).status, 200)
      stage.engine.docker('exec', id, 'rm', '/tmp/well')
      await stage.taskWith('well', /^failed .*unhealthy container: not well/)
      await eventually('another one', 20_000, () => {
        const now = stage.containers('well')
        return now.length === 1 && now[0] !== id
      })
      await stage.gone('well')
    })

    test("what is done to a container by hand becomes its task's state", async () => {
      const flags = ['--replicas', '1', '--restart-delay', '100ms']
      await stage.create(
        'hand',
        ...flags,
        '--publish',
        `${port + 1}:80`,
        'busybox',
        'httpd',
        '-f',
        '-h',
        '/etc',
      )
      const first = await stage.only('hand')
      stage.engine.docker('pause', first)
      await stage.taskWith('hand', /^running \| paused by hand/)
      stage.engine.docker('unpause', first)
      await stage.taskWith('hand', /^running \| started/)
      stage.engine.docker('kill', first)
      await stage.taskWith('hand', /^failed .*non-zero exit \(137\)/)
      const second = await stage.only('hand')
      stage.engine.docker('rm', '-f', second)
      await stage.taskWith('hand', /^failed .*its container is gone|^failed .*137/)
      const third = await stage.only('hand')
      stage.engine.docker('restart', '-t', '0', third)
      await stage.taskWith('hand', /^failed .*(restarted by hand|non-zero exit \(\d+\))/)
      assert.notEqual(await stage.only('hand'), third)
      await eventually('the old one does not run on', 10_000, () => {
        return !stage.inspect(third).State.Running
      })
      stage.engine.docker('start', third)
      await eventually(
        'nor when somebody starts it',
        10_000,
        () => !stage.inspect(third).State.Running,
      )
      const paused = await stage.only('hand')
      stage.engine.docker('pause', paused)
      await stage.gone('hand')
    })

    test('exit codes, last words and memory that ran out are told', async () => {
      const once = ['--restart-condition', 'none']
      const fails = 'echo the disk is full >&2; exit 3'
      // An engine needs a moment to watch a container's memory.
      const eats = 'sleep 1; exec dd if=/dev/zero of=/tmp/x bs=1M count=64'
      const limits = ['--limit-memory', '8m', '--mount', 'type=tmpfs,target=/tmp']
      await stage.create('words', ...once, 'busybox', 'sh', '-c', fails)
      await stage.create('done', ...once, 'busybox', 'true')
      await stage.create('oom', ...once, ...limits, 'busybox', 'sh', '-c', eats)
      await stage.create('wrong', ...once, 'busybox', 'no-such-program')
      await stage.taskWith('words', /^failed .*non-zero exit \(3\): the disk is full/)
      await stage.taskWith('done', /^complete \| finished/)
      await stage.taskWith('oom', /^failed .*non-zero exit \(137\): .*out of memory/)
      await stage.taskWith('wrong', /^failed .*no-such-program/)
      await stage.gone('words', 'done', 'oom', 'wrong')
    })

    test('a host-mode port is on its node alone, and two tasks never share it', async () => {
      const publish = `mode=host,published=${port + 2},target=80`
      const httpd = ['busybox', 'httpd', '-f', '-h', '/etc']
      await stage.create('host', '--publish', publish, '--replicas', '3', ...httpd)
      await stage.taskWith(
        'host',
        new RegExp(`^pending .*host-mode port ${port + 2}/tcp already in use`),
      )
      await stage.runs('host', 2)
      for (const { address } of [stage.node, stage.other]) {
        await eventually(`${address} answers`, 20_000, async () => {
          return (await get(`http://${address}:${port + 2}/hostname`)).status === 200
        })
      }
      const ports = (await stage.tasks('host')).flatMap(
        ({ Status }) => Status.PortStatus?.Ports ?? [],
      )
      assert.deepEqual(
        ports.map(({ PublishedPort }) => PublishedPort),
        [port + 2, port + 2],
      )
      const taken = await stage.cli(
        ...['service', 'create', '-d', '--no-resolve-image', '-p', `${port + 2}:80`, ...httpd],
      )
      assert.match(taken.stderr, /published in mode host by service host/)
      await stage.gone('host')
      await stage.create('any', '--publish', 'mode=host,target=80', ...httpd)
      await stage.runs('any')
      const [task] = await stage.tasks('any')
      assert.ok((task?.Status.PortStatus?.Ports?.[0]?.PublishedPort ?? 0) > 1024)
      await stage.gone('any')
    })
  },
)
