import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../support/daemon.ts'
import type { EngineStage } from '../../support/engine-stage.ts'
import {
  create,
  gone,
  idle,
  inside,
  killByHand,
  ok,
  onlyOf,
  patienceMs,
  type Place,
  placesOf,
  running,
  type Story,
  spreads,
  taskSays,
  tells,
} from './telling.ts'

interface InspectedContainer {
  readonly Config: Readonly<Record<string, unknown>>
  readonly HostConfig: Readonly<Record<string, unknown>>
  readonly State: { readonly Running: boolean }
}

const byHand = async ({ machine, containerId }: Place, ...verb: string[]): Promise<string> => {
  assert.ok(machine.engine)
  return machine.engine.docker(...verb, containerId)
}

const inspect = async (place: Place): Promise<InspectedContainer> =>
  (JSON.parse(await byHand(place, 'inspect')) as [InspectedContainer])[0]

const once = ['--restart-condition', 'none']
const soon = ['--restart-delay', '100ms']

const fullFlags = (source: string): readonly string[] => [
  ...['--user', '1000:1000', '--group', '1001', '--workdir', '/tmp'],
  ...['--hostname', '{{.Service.Name}}-{{.Task.Slot}}', '--container-label', 'team=blue'],
  ...['--label', 'tier=gold'],
  ...['--env', 'A={{index .Service.Labels "tier"}}@{{.Node.Hostname}}'],
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
  ...['--stop-grace-period', '1s', '--constraint', 'node.hostname==n2'],
]

/** What an engine calls all that. */
const fullHostConfig = {
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

async function isToldAll(place: Place): Promise<void> {
  const { Config, HostConfig } = await inspect(place)
  const env = Config['Env'] as string[]
  assert.ok(env.includes('A=gold@n2'), env.join(' '))
  assert.ok(env.includes('P=linux/x86_64'), env.join(' '))
  assert.deepEqual(
    [Config['User'], Config['WorkingDir'], Config['Hostname'], Config['Tty']],
    ['1000:1000', '/tmp', 'full-1', true],
  )
  assert.equal((Config['Labels'] as Record<string, string>)['team'], 'blue')
  assert.equal(Config['StopSignal'], 'SIGINT')
  const check = { Test: ['CMD-SHELL', 'true'], Interval: 1e9, Retries: 2 }
  assert.deepEqual(Config['Healthcheck'], check)
  const names = Object.keys(fullHostConfig)
  const told = Object.fromEntries(names.map((name) => [name, HostConfig[name]]))
  assert.deepEqual(told, fullHostConfig)
}

async function feelsAll(place: Place): Promise<void> {
  assert.match(await inside(place, 'mount'), /\/scratch type tmpfs .*size=1024k,mode=1770/)
  assert.match(await inside(place, 'id'), /uid=1000 gid=1000 groups=1000,1001|groups=1001/)
  await assert.rejects(inside(place, 'touch', '/bound/x'), /Read-only/)
  await assert.rejects(inside(place, 'touch', '/x'), /Read-only/)
  const files = ['/proc/1/cmdline', '/etc/hosts', '/etc/resolv.conf', '/proc/1/limits']
  const start = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
  const seen = await inside(place, 'cat', ...files, start)
  assert.match(seen, /^\S*docker-init[\s\S]*198\.51\.100\.8\s+db$/m)
  assert.match(seen, /^nameserver 198\.51\.100\.7$/m)
  assert.match(seen, /^Max open files\s+512\s+1024\s[\s\S]*^0$/m)
}

/** A folder that tasks of either runtime have, for files that say how they are. */
const scratch = ({ machines: [{ engine }], dir }: EngineStage): string =>
  engine === null ? dir : '/tmp'

const hostPort = 18_090

/** What a spec says of one container, and what becomes of it: each with services of its own. */
export const storiesOfContainers: readonly Story[] = [
  {
    name: 'everything that a spec says of a container, the engine is told',
    only: 'docker',
    async tell(stage) {
      const source = join(stage.dir, 'bound')
      mkdirSync(source)
      await create(stage, 'full', fullFlags(source))
      const place = await onlyOf(stage, 'full')
      await isToldAll(place)
      await feelsAll(place)
      const { engine } = place.machine
      assert.match((await engine?.docker('volume', 'inspect', 'data-1')) ?? '', /"a": "b"/)
      await gone(stage, 'full')
      await engine?.docker('volume', 'rm', 'data-1')
    },
  },
  {
    name: 'a bind mount without its source is rejected, and says which path',
    only: 'docker',
    async tell(stage) {
      const mount = ['--mount', 'type=bind,source=/no/such/folder,target=/x']
      await create(stage, 'bind', [...once, '--replicas', '3', ...mount])
      const says = /^rejected .*bind source path does not exist: \/no\/such\/folder/
      await taskSays(stage, 'bind', says)
      await gone(stage, 'bind')
    },
  },
  {
    name: 'fields without an effect are refused by name',
    async tell({ machines: [, { daemon }] }) {
      const refusal = async (...flags: string[]): Promise<string> => {
        const words = ['service', 'create', '-d', '--no-resolve-image', ...flags, 'busybox']
        const { code, stderr } = await daemon.meshctl(...words)
        assert.equal(code, 1, stderr)
        return stderr
      }
      const mount = await refusal('--mount', 'type=cluster,source=x,target=/x')
      assert.match(mount, /Mounts\.0\.Type .*no effect yet/)
      const nobody = await refusal('--env', 'A={{.Nobody.ID}}')
      assert.match(nobody, /Env\.0.*\{\{\.Nobody\.ID\}\} names nothing known/)
    },
  },
  {
    name: 'a service that needs a container waits for a machine that has them',
    only: 'process',
    async tell(stage) {
      await create(stage, 'mounts', ['--mount', 'type=tmpfs,target=/x'])
      await tells(stage, 'mounts', /Pending .*runtime process has no Mounts/)
      await gone(stage, 'mounts')
    },
  },
  {
    name: 'healthy gates running; an unhealthy task is stopped and replaced',
    async tell(stage) {
      const isWell = join(scratch(stage), 'well')
      const flags = ['--health-cmd', `test -e ${isWell} || { echo not well; false; }`]
      flags.push('--health-interval', '300ms', '--health-retries', '3')
      flags.push('--health-start-period', '5s', ...soon)
      await create(stage, 'well', flags)
      await taskSays(stage, 'well', /^starting /)
      assert.equal((await running(stage, 'well')).length, 0, 'not before its check says so')
      const [place] = await placesOf(stage, 'well')
      assert.ok(place)
      await inside(place, 'touch', isWell)
      const { task } = await onlyOf(stage, 'well')
      await inside(place, 'rm', isWell)
      await taskSays(stage, 'well', /^failed .*unhealthy container: not well/)
      await eventually('another one', patienceMs, async () => {
        return (await placesOf(stage, 'well')).some(({ task: { ID } }) => ID !== task.ID)
      })
      await gone(stage, 'well')
    },
  },
  {
    name: "what is done to a container by hand becomes its task's state",
    only: 'docker',
    async tell(stage) {
      await create(stage, 'hand', soon)
      const first = await onlyOf(stage, 'hand')
      await byHand(first, 'pause')
      await taskSays(stage, 'hand', /^running \| paused by hand/)
      await byHand(first, 'unpause')
      await taskSays(stage, 'hand', /^running \| started/)
      await byHand(first, 'rm', '-f')
      await taskSays(stage, 'hand', /^failed .*its container is gone|^failed .*137/)
      const second = await onlyOf(stage, 'hand')
      await byHand(second, 'restart', '-t', '0')
      await taskSays(stage, 'hand', /^failed .*(restarted by hand|non-zero exit \(\d+\))/)
      const third = await onlyOf(stage, 'hand')
      assert.notEqual(third.containerId, second.containerId)
      const isOver = async (): Promise<boolean> => !(await inspect(second)).State.Running
      await eventually('the old one does not run on', patienceMs, isOver)
      await byHand(second, 'start')
      await eventually('nor when somebody starts it', patienceMs, isOver)
      await byHand(third, 'pause')
      await gone(stage, 'hand')
    },
  },
  {
    name: 'exit codes, last words and who was killed are told, and stay readable',
    async tell(stage) {
      const [, second] = stage.machines
      const fails = ['busybox', 'sh', '-c', 'echo the disk is full >&2; exit 3']
      await create(stage, 'words', once, fails)
      await create(stage, 'done', once, ['busybox', 'true'])
      await create(stage, 'wrong', once, ['busybox', 'no-such-program'])
      await create(stage, 'killed', soon)
      const killed = await onlyOf(stage, 'killed')
      await killByHand(killed)
      await taskSays(stage, 'killed', /^failed .*non-zero exit \(137\)/)
      assert.notEqual((await onlyOf(stage, 'killed')).task.ID, killed.task.ID)
      await taskSays(stage, 'words', /^failed .*non-zero exit \(3\): the disk is full/)
      await taskSays(stage, 'done', /^complete \| finished/)
      await taskSays(stage, 'wrong', /^(failed|rejected) .*no-such-program/)
      const { stderr } = await second.daemon.meshctl('service', 'logs', '--raw', 'words')
      assert.equal(stderr, 'the disk is full\n')
      await gone(stage, 'words', 'done', 'wrong', 'killed')
    },
  },
  {
    name: 'memory that ran out is told',
    only: 'docker',
    async tell(stage) {
      // An engine needs a moment to watch a container's memory.
      const eats = 'sleep 1; exec dd if=/dev/zero of=/tmp/x bs=1M count=64'
      const limits = ['--limit-memory', '8m', '--mount', 'type=tmpfs,target=/tmp']
      await create(stage, 'oom', [...once, ...limits], ['busybox', 'sh', '-c', eats])
      await taskSays(stage, 'oom', /^failed .*non-zero exit \(137\): .*out of memory/)
      await gone(stage, 'oom')
    },
  },
  {
    name: 'a port in host mode is on its machine alone, and two tasks never share it',
    async tell(stage) {
      const [first] = stage.machines
      const publish = ['-p', `mode=host,published=${hostPort},target=80`]
      await create(stage, 'own', ['--replicas', '4', ...publish], stage.web)
      await spreads(stage, 'own', [1, 1, 1])
      await tells(stage, 'own', new RegExp(`no suitable node .*host-mode port ${hostPort}/tcp`))
      for (const machine of stage.machines) {
        await eventually(`${machine.name} answers`, patienceMs, async () => {
          return (await stage.visit(machine, hostPort)).status === 200
        })
      }
      const ports = (await placesOf(stage, 'own')).flatMap(
        ({ task }) => task.Status.PortStatus?.Ports ?? [],
      )
      const published = ports.map(({ PublishedPort }) => PublishedPort)
      assert.deepEqual(published, [hostPort, hostPort, hostPort])
      const words = ['service', 'create', '-d', '--no-resolve-image', '-p', `${hostPort}:80`]
      const taken = await first.daemon.meshctl(...words, ...idle)
      assert.match(taken.stderr, /published in mode host by service own/)
      await create(stage, 'any', ['-p', 'mode=host,target=80'], stage.web)
      const { Ports = [] } = (await onlyOf(stage, 'any')).task.Status.PortStatus ?? {}
      assert.ok((Ports[0]?.PublishedPort ?? 0) > 1024)
      await gone(stage, 'own', 'any')
    },
  },
  {
    name: 'services that come and go in a hurry',
    async tell(stage) {
      const mount = ['--init', '--mount', 'type=volume,target=/data']
      const flags = stage.machines[0].engine === null ? [] : mount
      for (let round = 0; round < 6; round++) {
        const name = `hurry${round}`
        await create(stage, name, ['--replicas', '3', ...flags])
        if (round % 2 === 0) await spreads(stage, name, [1, 1, 1])
        await ok(stage.machines[round % 3]!, 'service', 'rm', name)
      }
    },
  },
  {
    name: 'the built-in image runs as a container, made from the checkout',
    only: 'docker',
    async tell(stage) {
      const [, second] = stage.machines
      const publish = ['--publish', '18082:80', '--label', 'mesh.ingress.18082.proxy-protocol=v2']
      await create(stage, 'who', publish, ['meshd/whoami'])
      await onlyOf(stage, 'who')
      await eventually('it knows its client', patienceMs, async () => {
        const { by } = await stage.visit(second, 18_082)
        return /^client: 198\.18\.\d+\.4:\d+$/m.test(by)
      })
      await gone(stage, 'who')
    },
  },
]
