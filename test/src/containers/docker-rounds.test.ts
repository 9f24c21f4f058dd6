import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { silentLog } from '../../../mesh/base/log.ts'
import { DockerEngine } from '../../../src/containers/docker-engine.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import {
  type DockerEngineHandle,
  dockerUnavailable,
  startDockerEngine,
} from '../../support/docker-engine.ts'
import { eventually } from '../../support/eventually.ts'
import { containerRequest } from './container-request.ts'

const image = 'busybox:latest'
/** All of them: MESH_LEAK_ROUNDS=1000. */
const rounds = Number(process.env['MESH_LEAK_ROUNDS'] ?? 50)
const together = 4
/** What a run of any length may leave behind in this process: caches, compiled code. */
const slackBytes = 8 * 2 ** 20
const slackFiles = 8

const filesOf = (pid: number | 'self'): number => readdirSync(`/proc/${pid}/fd`).length

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

describe('containers that come and go', { skip: dockerUnavailable() ?? false }, () => {
  let dockerd: DockerEngineHandle
  let engine: DockerEngine
  let bridge = ''
  const warnings: string[] = []
  const warned = ({ message }: Error): void => void warnings.push(message)

  before(async () => {
    dockerd = await startDockerEngine({
      name: 'rounds',
      dir: mkdtempSync(join(tmpdir(), 'meshd-dr-')),
    })
    await dockerd.importBusyboxImage(image)
    const format = '{{index .Options "com.docker.network.bridge.name"}}'
    bridge = dockerd.docker('network', 'inspect', '-f', format, 'bridge')
    engine = new DockerEngine(
      { socketPath: dockerd.socket, cluster: 'cluster-1', node: 'node-1' },
      { clock: systemClock, log: silentLog },
    )
    // Of listeners that pile up on one emitter or signal.
    process.on('warning', warned)
  })
  after(async () => {
    process.off('warning', warned)
    await engine?.close()
    await dockerd?.stop()
  })

  /** A life as the agent leads it: pulled, watched, read, ended one way or another, removed. */
  async function round(number: number): Promise<void> {
    const script = number % 2 === 0 ? 'echo up; exec sleep 60' : 'echo no >&2; exit 3'
    const request = containerRequest(`r${number}`, {
      image,
      args: ['sh', '-c', script],
      settings: { Mounts: [{ Type: 'volume', Target: '/data' }] },
    })
    const { promise: heard, resolve } = Promise.withResolvers<void>()
    const { id } = await engine.create(request)
    const unwatch = engine.watch((happened) => {
      if (happened === id) resolve()
    })
    await engine.start(id)
    await heard
    unwatch()
    const mustStop = number % 2 === 0
    if (mustStop) await engine.stop(id, { signal: 'SIGKILL', graceMs: 5_000 })
    else await eventually(async () => assert.equal((await engine.inspect(id))?.exitCode, 3), 60_000)
    const query = { stdout: true, stderr: true, tail: null, since: null, until: null }
    const lines: string[] = []
    const log = engine.logs(request.taskId, { ...query, follow: true }, AbortSignal.timeout(60_000))
    for await (const { text } of log) lines.push(text.toString())
    if (!mustStop) assert.deepEqual(lines, ['no\n'])
    await engine.remove(id)
    assert.equal(await engine.inspect(id), null)
  }

  async function run(count: number, first: number): Promise<void> {
    let next = first
    const lane = async (): Promise<void> => {
      while (next < first + count) await round(next++)
    }
    await Promise.all(Array.from({ length: together }, lane))
  }

  const left = (): unknown => ({
    containers: dockerd.docker('ps', '-aq'),
    volumes: dockerd.docker('volume', 'ls', '-q'),
    networks: dockerd.docker('network', 'ls', '-q'),
    images: dockerd.docker('image', 'ls', '-aq'),
    interfaces: readdirSync(`/sys/class/net/${bridge}/brif`).length,
  })

  test(`nothing is left of ${rounds} of them`, async (t) => {
    await run(2 * together, 0)
    const before = {
      left: left(),
      heap: heapBytes(),
      own: filesOf('self'),
      its: filesOf(dockerd.pid),
    }
    await run(rounds, 1000)
    await eventually(() => assert.deepEqual(left(), before.left))
    assert.deepEqual(await engine.list(), [])
    const grown = heapBytes() - before.heap
    const own = filesOf('self') - before.own
    const its = filesOf(dockerd.pid) - before.its
    const kib = Math.round(grown / 1024)
    t.diagnostic(`${rounds} rounds: heap ${kib} KiB, files ${own}, of the engine ${its}`)
    assert.ok(grown < slackBytes, `${kib} KiB of heap more`)
    assert.ok(own <= slackFiles, `${own} open files more`)
    assert.ok(its <= slackFiles, `${its} open files of the engine more`)
    assert.deepEqual(warnings, [])
  })
})
