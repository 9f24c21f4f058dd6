import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import type { ApiTask, ServiceSpec } from '../../src/client/types.ts'
import { Cluster, eventually, type Daemon } from '../support/daemon.ts'
import { SwarmApi } from '../support/swarm-api.ts'

const services = 200
const replicas = 3
const tasks = services * replicas
const atOnce = 8
const limitMs = 60_000
/** No other program of this machine sleeps for so long. */
const seconds = 86_448_000 + (process.pid % 1000)

const names = Array.from({ length: services }, (_, at) => `many-${at}`)

const specOf = (name: string, version: string): ServiceSpec => ({
  Name: name,
  TaskTemplate: {
    ContainerSpec: { Image: `sleep:${version}`, Args: ['sleep', String(seconds)] },
  },
  Mode: { Replicated: { Replicas: replicas } },
  UpdateConfig: { Parallelism: 1, Monitor: 1e9 },
})

test(`${services} services of ${replicas} tasks come, change and go, and leave nothing`, async (context) => {
  await using cluster = new Cluster('127.0.48')
  const managers = await cluster.startManagers(3)
  const [first] = managers
  assert.ok(first !== undefined)
  const api = new SwarmApi(first.socketPath)
  await eventually('three are ready', 20_000, async () => {
    return (await api.nodes()).filter(({ Status }) => Status.State === 'ready').length === 3
  })
  const [before] = await gauges(managers)
  await tell(context, 'at rest', managers)

  await timed(context, 'created', () =>
    eachOf(names, (name) => api.createService(specOf(name, '1'))),
  )
  await timed(context, 'all run', () => runs(api, '1'))
  assert.equal(sleepers().length, tasks, 'one process a task')
  const perNode = Map.groupBy(await allTasks(api), ({ NodeID }) => NodeID)
  assert.deepEqual(
    [...perNode.values()].map(({ length }) => length),
    [services, services, services],
  )
  await tell(context, `${tasks} tasks`, managers)

  await timed(context, 'updated', () =>
    eachOf(names, async (name) => api.updateService(await api.service(name), specOf(name, '2'))),
  )
  await timed(context, 'all replaced', () => runs(api, '2'))
  await tell(context, 'after an update of all', managers)

  await timed(context, 'removed', () => eachOf(names, (name) => api.removeService(name)))
  await timed(context, 'nothing is left', () =>
    eventually('no process, no task and no record', limitMs, async () => {
      const left = await gauges(managers)
      const isClean = left.every(({ task_records: records }) => records === 0)
      return isClean && sleepers().length === 0 && (await allTasks(api)).length === 0
    }),
  )
  assert.deepEqual(JSON.parse(await api.call('GET', '/services')), [])
  await tell(context, 'in the end', managers)
  const [after] = await gauges(managers)
  assert.equal(after?.['raft_term'], before?.['raft_term'], 'nobody lost the leadership')
})

/** Exactly the wanted tasks of this version are wanted, and all of them run. */
const runs = (api: SwarmApi, version: string): Promise<void> =>
  eventually(`${tasks} tasks of version ${version} run`, limitMs, async () => {
    const wanted = (await allTasks(api)).filter(({ DesiredState }) => DesiredState === 'running')
    return wanted.length === tasks && wanted.every((task) => isRunning(task, version))
  })

const isRunning = ({ Status, Spec }: ApiTask, version: string): boolean =>
  Status.State === 'running' && Spec.ContainerSpec.Image === `sleep:${version}`

const allTasks = async (api: SwarmApi): Promise<readonly ApiTask[]> =>
  JSON.parse(await api.call('GET', '/tasks')) as ApiTask[]

async function eachOf(
  items: readonly string[],
  act: (item: string) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await act(item)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

async function timed(context: TestContext, what: string, act: () => Promise<void>): Promise<void> {
  const startedMs = performance.now()
  await act()
  context.diagnostic(`${what}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

/** Processes of tasks, as the kernel lists them. */
const sleepers = (): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\S*sleep\0/.test(commandOf(pid)) && commandOf(pid).includes(String(seconds))
    } catch {
      return false
    }
  })

const commandOf = (pid: string): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1')

async function tell(context: TestContext, what: string, nodes: readonly Daemon[]): Promise<void> {
  const values = await gauges(nodes)
  const delays = values.map(({ event_loop_delay_seconds: delay = 0 }) => Math.round(1000 * delay))
  const memory = nodes.map(({ pid }) => residentMb(pid))
  const cpu = nodes.map(({ pid }) => cpuSeconds(pid).toFixed(1))
  context.diagnostic(
    `${what}: ${memory.join(', ')} MB; late by up to ${delays.join(', ')} ms; ${cpu.join(', ')} CPU s`,
  )
}

const residentMb = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)

const cpuSeconds = (pid: number): number => {
  const [, , , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return (Number(fields[10]) + Number(fields[11])) / 100
}

/** By name, without the prefix. */
const gauges = (nodes: readonly Daemon[]): Promise<Partial<Record<string, number>>[]> =>
  Promise.all(
    nodes.map(async ({ socketPath }) => {
      const said = await get(socketPath, '/metrics')
      const lines = said.matchAll(/^meshd_(\w+) (\S+)$/gm)
      return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]))
    }),
  )

const get = (socketPath: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, (response) => {
      text(response).then(resolve, reject)
    })
    asked.once('error', reject)
    asked.end()
  })
