import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { callApi, startApi } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

const isMissing = spawnSync('docker', ['--version']).error !== undefined
const skip = isMissing ? "docker's CLI is not installed" : false

const flags = [
  ...[
    '--user',
    '1000:1000',
    '--group',
    '1001',
    '--workdir',
    '/tmp',
    '--hostname',
    'h-{{.Task.Slot}}',
  ],
  ...['--container-label', 'team=blue', '--label', 'tier=gold', '--env', 'A=b', '--env', 'A=c'],
  ...['--mount', 'type=bind,source=/a,target=/b,readonly,bind-propagation=rslave'],
  ...['--mount', 'type=volume,source=v,target=/v,volume-label=a=b,volume-driver=local'],
  ...['--mount', 'type=tmpfs,target=/t,tmpfs-size=1048576,tmpfs-mode=1770'],
  ...['--limit-cpu', '0.5', '--limit-memory', '64m', '--limit-pids', '50', '--reserve-cpu', '.1'],
  ...['--ulimit', 'nofile=512:1024', '--ulimit', 'core=0', '--sysctl', 'net.core.somaxconn=1'],
  ...['--cap-add', 'net_admin', '--cap-drop', 'CAP_CHOWN', '--init', '--read-only', '--tty'],
  ...['--stop-signal', 'SIGINT', '--stop-grace-period', '3s', '--oom-score-adj', '100'],
  ...['--dns', '198.51.100.7', '--dns-search', 'example.com', '--dns-option', 'ndots:2'],
  ...['--host', 'db:198.51.100.8', '--log-driver', 'json-file', '--log-opt', 'max-size=1m'],
  ...['--health-cmd', 'true', '--health-interval', '1s', '--health-retries', '2'],
  ...['--health-timeout', '2s', '--health-start-period', '3s', '--health-start-interval', '1s'],
  ...['--entrypoint', 'sh -c "a b"', '--publish', 'mode=host,published=8080,target=80'],
]

const create = (name: string): string[] =>
  ['service', 'create', '-d', '--no-resolve-image', '--name', name].concat(flags, 'img:1', 'x', 'y')

/** Without what Go's zero values say nothing by. */
function meaningOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meaningOf)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, part]) => [key, meaningOf(part)] as const)
  return Object.fromEntries(
    entries.filter(([, part]) => {
      const isEmpty = typeof part === 'object' && part !== null && Object.keys(part).length === 0
      return !isEmpty && part !== 0 && part !== false && part !== ''
    }),
  )
}

test(
  "meshctl makes of a container's flags what docker's own CLI makes of them",
  { skip },
  async () => {
    await using server = await startApi()
    await promisify(execFile)('docker', ['-H', `unix://${server.socketPath}`, ...create('docker')])
    const { code, err } = await meshctl(server.socketPath, create('meshctl'))
    assert.equal(code, 0, err)
    const specOf = async (name: string): Promise<object> => {
      const { json } = await callApi(server.socketPath, {
        method: 'GET',
        path: `/services/${name}`,
      })
      const { Name: _name, ...spec } = (json as { readonly Spec: { readonly Name: string } }).Spec
      return spec
    }
    assert.deepEqual(meaningOf(await specOf('meshctl')), meaningOf(await specOf('docker')))
  },
)
