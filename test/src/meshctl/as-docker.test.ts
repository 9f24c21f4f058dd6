import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { meshctl } from '../../support/fake-io.ts'
import { RecordedApi } from '../../support/recorded-api.ts'

/** Why docker's own CLI cannot be asked; with MESH_REQUIRE_DOCKER=1 it has to be there. */
function cliMissing(): string | false {
  if (spawnSync('docker', ['--version']).error === undefined) return false
  assert.notEqual(process.env['MESH_REQUIRE_DOCKER'], '1', "docker's CLI is required")
  return "docker's CLI is not installed"
}

const dir = mkdtempSync(join(tmpdir(), 'as-docker-'))
const envFile = join(dir, 'env')
writeFileSync(envFile, '# words\n\nA=1\nHERE\nB=x y\nNOWHERE\n')
const env = { HERE: 'a value' }

/** A service with something of everything, its lists in the order in which docker leaves them. */
const full = {
  Name: 'web',
  Labels: { a: '1', b: '2' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'img:1',
      Env: ['A=1', 'B=2'],
      Args: ['old'],
      Command: ['sh'],
      Labels: { x: 'y' },
      Groups: ['5', '9'],
      Hosts: ['192.0.2.1 z', '192.0.2.2 a', '192.0.2.3 a b'],
      Mounts: [
        { Type: 'volume', Source: 'a', Target: '/a' },
        { Type: 'volume', Source: 'z', Target: '/z' },
      ],
      DNSConfig: {
        Nameservers: ['192.0.2.1', '192.0.2.9'],
        Search: ['a.com'],
        Options: ['a', 'z'],
      },
      CapabilityAdd: ['CAP_NET_ADMIN'],
      CapabilityDrop: ['CAP_CHOWN'],
      Sysctls: { 'net.a': '1' },
      Ulimits: [
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'nofile', Soft: 1, Hard: 2 },
      ],
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 1e9, Retries: 3 },
      Hostname: 'h',
      User: 'u',
      Dir: '/w',
      Init: true,
      ReadOnly: true,
      TTY: true,
      StopSignal: 'SIGINT',
      StopGracePeriod: 5e9,
      OomScoreAdj: 5,
    },
    Resources: {
      Limits: { NanoCPUs: 5e8, MemoryBytes: 1e8, Pids: 4 },
      Reservations: { NanoCPUs: 1e8 },
    },
    RestartPolicy: { Condition: 'none' },
    Placement: {
      Constraints: ['node.labels.a==b', 'node.role==worker'],
      Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.z' } }],
      MaxReplicas: 2,
    },
    LogDriver: { Name: 'json-file', Options: { a: 'b' } },
    ForceUpdate: 4,
  },
  Mode: { Replicated: { Replicas: 2 } },
  UpdateConfig: { Parallelism: 2, Order: 'start-first' },
  EndpointSpec: {
    Mode: 'vip',
    Ports: [
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8081, PublishMode: 'host' },
    ],
  },
}

const unhealthy = structuredClone(full) as Record<string, unknown>
Object.assign((unhealthy['TaskTemplate'] as typeof full.TaskTemplate).ContainerSpec, {
  Healthcheck: { Test: ['NONE'] },
})

const bare = {
  Name: 'web',
  TaskTemplate: { ContainerSpec: { Image: 'img:1' }, Placement: {} },
  Mode: { Replicated: { Replicas: 1 } },
}

/** Flags of `service create`, each line on its own. */
const creations: readonly string[] = [
  '--name web',
  '--mode global',
  '--replicas 3 --replicas-max-per-node 2',
  '--user 1000:1000 --group b --group a --workdir /tmp --hostname h-{{.Task.Slot}}',
  '--label tier=gold --label alone -l empty= --container-label x=1 --container-label x=2',
  '-e A=1 -e B=2 -e A=3 -e HERE -e NOWHERE',
  `--env-file ${envFile} -e A=9`,
  '--mount type=bind,source=/a,target=/b,readonly,bind-propagation=rslave,consistency=cached',
  '--mount type=bind,src=.,dst=/b,bind-recursive=disabled --mount type=bind,src=/c,dst=/c,ro=false',
  '--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rprivate,bind-recursive=readonly',
  '--mount type=bind,src=/a,dst=/b,Readonly,bind-recursive=writable,bind-nonrecursive',
  '--mount type=volume,source=v,target=/v,volume-label=a=b,volume-driver=local,volume-nocopy',
  '--mount "type=volume","dst=/v","volume-opt=o=addr=1,rw",volume-subpath=in',
  '--mount target=/anonymous --mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770',
  '--limit-cpu 0.5 --limit-memory 0.5g --limit-pids 50 --reserve-cpu .1 --reserve-memory 5MiB',
  '--ulimit nofile=5 --ulimit nofile=512:1024 --ulimit core=-1 --sysctl net.core.somaxconn=1',
  '--cap-add net_admin --cap-drop CAP_CHOWN --cap-add kill --cap-drop kill',
  '--cap-add all --cap-add kill --cap-drop RESET --cap-drop setuid',
  '--init --read-only --tty --stop-signal SIGINT --stop-grace-period 3s --oom-score-adj -100',
  '--init=false --read-only=false --tty=false --no-healthcheck=false',
  '--dns 198.51.100.7 --dns 198.51.100.7 --dns-search example.com. --dns-search . --dns-option ndots:2',
  '--host db:198.51.100.8 --host a=198.51.100.9 --host v6:[::1] --host v6:2001:db8::1',
  '--log-driver json-file --log-opt max-size=1m --log-opt alone',
  '--health-cmd true --health-interval 1s --health-retries 2 --health-timeout 2s',
  '--health-start-period 3s --health-start-interval 1s',
  '--no-healthcheck',
  '--publish 8080:80 -p 81 -p 8082:82/udp -p published=1,target=2,protocol=SCTP',
  '--publish mode=host,published=8080,target=80 -p published=0,target=90 -p "target=91",published=91',
  '--publish 8000-8002:80 -p 9000-9001:90-91/tcp -p 70-71',
  '--endpoint-mode VIP --isolation default',
  '--constraint b==c --constraint a==b --constraint a==b',
  '--placement-pref spread=node.labels.b --placement-pref spread=node.labels.a',
  '--restart-condition on-failure',
  '--restart-delay 1s --restart-max-attempts 3 --restart-window 1m',
  '--update-order start-first --rollback-monitor 2s',
  '--update-delay 1m30s --update-parallelism 0 --update-monitor 1.5h --update-failure-action rollback',
  '--update-max-failure-ratio .25 --rollback-order start-first --rollback-parallelism 2',
  '--rollback-delay 1s --rollback-failure-action continue --rollback-max-failure-ratio 0.5',
]

/** Flags of `service update` for a service with something of everything. */
const updates: readonly string[] = [
  '--image img:2',
  '--image img',
  '--label-add c=3 --label-rm a --label-add b=9 --label-add d=4 --label-rm d --label-rm none',
  '--container-label-add k=v --container-label-rm x',
  '--env-add A=9 --env-add C=3 --env-rm B --env-add HERE --env-add NOWHERE',
  '--env-rm A',
  '--mount-add type=volume,source=q,target=/z,readonly --mount-rm /a --mount-add type=bind,source=/b,target=/b',
  '--mount-add type=tmpfs,target=/t --mount-rm /t',
  '--constraint-add node.role==worker --constraint-add a==b --constraint-rm node.labels.a==b',
  '--placement-pref-add spread=node.labels.q --placement-pref-rm spread=node.labels.z',
  '--placement-pref-add spread=node.labels.z',
  '--group-add 5 --group-add 1 --group-rm 9',
  '--dns-add 192.0.2.1 --dns-add 192.0.2.0 --dns-rm 192.0.2.9',
  '--dns-search-add b.com --dns-search-rm a.com --dns-option-rm z --dns-option-add b',
  '--host-add q:0.0.0.1 --host-rm a:192.0.2.2',
  '--host-rm a',
  '--host-add a:192.0.2.2 --host-add v6:[::1]',
  '--cap-add chown',
  '--cap-drop net_admin --cap-drop kill',
  '--cap-add RESET --cap-add kill',
  '--cap-drop reset --cap-drop kill',
  '--cap-add kill --cap-drop kill',
  '--cap-add all',
  '--cap-drop ALL',
  '--sysctl-add net.b=1 --sysctl-rm net.a',
  '--ulimit-add nofile=5:6 --ulimit-rm core --ulimit-add nproc=3',
  '--health-interval 5s --health-retries 0',
  '--no-healthcheck',
  '--init=false --read-only=false --tty=false',
  '--limit-cpu 1 --reserve-memory 5m',
  '--limit-memory 0 --limit-pids 0',
  '--restart-delay 1s',
  '--update-delay 1s --update-monitor 0s',
  '--rollback-order start-first',
  '--publish-add 9090:81 --publish-rm 80',
  '--publish-add mode=host,target=90 --publish-add 8082:80 --publish-add 8080:80',
  '--publish-rm 1:80 --publish-rm target=80,mode=host',
  '--publish-add 8000-8002:90-92',
  '--log-driver syslog --log-opt c=d',
  '--log-driver none',
  '--stop-grace-period 0s --stop-signal SIGTERM --oom-score-adj -3',
  '--user other --workdir /x --hostname y --isolation default --endpoint-mode vip',
  '--replicas 0 --replicas-max-per-node 0 --force',
  // What is added and removed at once.
  '--container-label-add d=4 --container-label-rm d',
  '--sysctl-add net.d=4 --sysctl-rm net.d',
  '--ulimit-add nproc=4 --ulimit-rm nproc',
  '--env-add Q=1 --env-rm Q',
  '--host-add q:192.0.2.8 --host-rm q --dns-add 192.0.2.8 --dns-rm 192.0.2.8',
  '--group-add 7 --group-rm 7 --constraint-add q==r --constraint-rm q==r',
  '--placement-pref-add spread=node.labels.q --placement-pref-rm spread=node.labels.q',
  '--publish-add 9090:81 --publish-rm 81',
]

/** Lines whose words hold spaces, or nothing. */
const spelt: readonly (readonly string[])[] = [
  ['--args', 'sh -c \'a "b"\' "c d\\"" e\\ f', '--entrypoint', 'sh -c "a b"'],
  ['--args', '', '--entrypoint', ''],
  ['--hostname', '', '--user', '', '--workdir', '', '--stop-signal', ''],
  ['--health-cmd', 'test -e "/a b"'],
  ['--health-cmd', ''],
]

/** For a service of which nothing else is said: docker's defaults fill in around them. */
const firsts: readonly string[] = [
  '--restart-delay 1s',
  '--update-delay 1s',
  '--rollback-order start-first --update-order start-first',
  '--env-add A=1 --label-add a=b --mount-add type=volume,source=v,target=/v --publish-add 8080:80',
  '--constraint-add a==b --host-add a:192.0.2.1 --dns-add 192.0.2.1 --cap-add kill --group-add 1',
  '--limit-cpu 1 --reserve-memory 5m --log-driver none --replicas-max-per-node 1 --ulimit-add core=1',
  '--env-rm A --label-rm a --mount-rm /v --publish-rm 80 --constraint-rm a==b --host-rm a --force',
  '--health-interval 1s --init --tty --sysctl-add net.a=1',
]

describe(
  "meshctl makes of flags what docker's own CLI makes of them",
  { skip: cliMissing() },
  () => {
    let api: RecordedApi

    before(async () => {
      api = await RecordedApi.start()
    })
    after(async () => {
      await api[Symbol.asyncDispose]()
      rmSync(dir, { recursive: true })
    })

    async function asDocker(spec: unknown, words: readonly string[]): Promise<void> {
      api.spec = spec
      const said = await docker(words)
      const { code, err } = await meshctl(api.socketPath, words, { env })
      assert.equal(code, 0, err)
      assert.deepEqual(meaningOf(lastOf(api)), meaningOf(said))
    }

    function docker(words: readonly string[]): Promise<unknown> {
      const options = { env: { ...process.env, ...env } }
      return new Promise((resolve, reject) => {
        execFile('docker', ['-H', `unix://${api.socketPath}`, ...words], options, (error) =>
          error === null ? resolve(lastOf(api)) : reject(error),
        )
      })
    }

    const asked = ['-d', '--no-resolve-image']
    for (const flags of creations) {
      test(`create ${flags.replace(dir, '')}`, () =>
        asDocker({}, ['service', 'create', ...asked, ...flags.split(' '), 'img', 'cmd', '-x']))
    }
    const change = (spec: unknown, flags: readonly string[]) =>
      asDocker(spec, ['service', 'update', ...asked, ...flags, 'web'])
    for (const flags of updates) test(`update ${flags}`, () => change(full, flags.split(' ')))
    for (const flags of spelt) test(`update ${flags.join(' ')}`, () => change(full, flags))
    for (const flags of firsts) test(`first ${flags}`, () => change(bare, flags.split(' ')))
    test('a check that was off', () => change(unhealthy, ['--health-interval', '5s']))
  },
)

/** The spec that a client has posted last, and nothing is left. */
function lastOf(api: RecordedApi): unknown {
  const [posted] = api.posted.splice(0)
  return posted?.body
}

/** Zeros of these are something that is said. */
const pointers = new Set(['Replicas', 'MaxAttempts', 'Delay', 'StopGracePeriod', 'Parallelism'])

/** Without what Go's zero values say nothing by; variables in any order, as docker leaves them. */
function meaningOf(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    if (name === 'Env') return (value as string[]).toSorted()
    // Docker's CLI keeps the ports of ranges in a map, in no order.
    if (name === 'Ports') return value.map((port) => JSON.stringify(meaningOf(port))).toSorted()
    return value.map((item) => meaningOf(item))
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, part]) => [key, meaningOf(part, key)] as const)
  return Object.fromEntries(
    entries.filter(([key, part]) => {
      const isEmpty = typeof part === 'object' && part !== null && Object.keys(part).length === 0
      const isZero = part === 0 && !pointers.has(key)
      return !isEmpty && !isZero && part !== false && part !== '' && part !== null
    }),
  )
}
