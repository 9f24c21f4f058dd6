import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import type { Json } from '../../../mesh/base/json.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import type { StoredObject } from '../../../mesh/catalog/types.ts'
import { Agent } from '../../../src/agent/agent.ts'
import type { ContainerEngine, CreateWatch } from '../../../src/containers/container-engine.ts'
import { engineFault } from '../../../src/containers/engine-fault.ts'
import type { NodeRecord, Task, TaskRecord } from '../../../src/model/docker.ts'
import { decodeNodeRecord, decodeTaskRecord } from '../../../src/wire/records.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeEngine } from '../../support/fake-engine.ts'

class World {
  readonly clock = new FakeClock()
  readonly engine: FakeEngine
  readonly agent: Agent
  readonly states: string[] = []
  readonly records = new Map<string, Json>()
  accepting = true
  readonly drains: { taskId: string; deadlineMs: number; resolve: () => void }[] = []
  readonly #tasks = new Map<string, StoredObject>()

  constructor(engine: FakeEngine = new FakeEngine()) {
    this.engine = engine
    this.agent = new Agent(
      {
        cluster: 'k1',
        node: nodeId('n1'),
        hostname: 'host',
        apiAddress: '10.0.0.1:2377',
        labels: {},
      },
      {
        engine,
        clock: this.clock,
        log: silentLog,
        publish: (key, value) => this.#publish(key, value),
        targetPorts: () => [80],
        drained: (taskId, deadlineMs) =>
          new Promise((resolve) => this.drains.push({ taskId, deadlineMs, resolve })),
        probe: () => Promise.resolve(this.accepting),
      },
    )
  }

  async start(): Promise<void> {
    await this.agent.start()
    await this.settle()
  }

  settle(): Promise<void> {
    return this.clock.run(1)
  }

  async assign(id: string, fields: Partial<Task> = {}): Promise<void> {
    const body: Task = {
      ServiceID: 's1',
      Slot: 1,
      NodeID: 'n1',
      Spec: { ContainerSpec: { Image: 'nginx', StopGracePeriod: 3e9 } },
      Status: { Timestamp: '2026-11-24T00:00:00Z', State: 'assigned' },
      DesiredState: 'running',
      ServiceName: 'web',
      SpecVersion: { Index: 1 },
      Generation: 5,
      ...fields,
    }
    const json = body as unknown as Json
    const times = { createdAtMs: 0, updatedAtMs: 0 }
    this.#tasks.set(id, { kind: 'task', id, claims: [], body: json, version: 1, ...times })
    await this.update()
  }

  async withdraw(id: string): Promise<void> {
    this.#tasks.delete(id)
    await this.update()
  }

  async update(): Promise<void> {
    this.agent.update([...this.#tasks.values()])
    await this.settle()
  }

  task(id: string): TaskRecord | null {
    const value = this.records.get(`task/${id}`)
    return value === undefined ? null : decodeTaskRecord(value)
  }

  node(): NodeRecord | null {
    const value = this.records.get('node/status')
    return value === undefined ? null : decodeNodeRecord(value)
  }

  #publish(key: string, value: Json | null): void {
    if (value === null) this.records.delete(key)
    else this.records.set(key, value)
    if (!key.startsWith('task/')) return
    const record = value === null ? null : decodeTaskRecord(value)
    assert.ok(value === null || record !== null, 'a record that others would not take')
    this.states.push(record === null ? 'none' : record.state)
  }
}

async function started(engine?: FakeEngine): Promise<World> {
  const world = new World(engine)
  await world.start()
  return world
}

test('an assigned task becomes a running container, and every step is told', async () => {
  const world = await started()
  await world.assign('t1')
  assert.deepEqual(world.states, ['accepted', 'preparing', 'ready', 'starting', 'running'])
  assert.deepEqual(world.task('t1'), {
    service: 's1',
    generation: 5,
    state: 'running',
    at: world.task('t1')?.at,
    message: 'started',
    err: '',
    containerId: 'c1',
    exitCode: null,
    pid: 7,
    serving: true,
    draining: false,
    targets: { '80': '10.0.0.1:80' },
  })
  const { request } = world.engine.containers.get('c1') ?? assert.fail()
  assert.equal(request.name, 'web.1.t1')
  assert.equal(request.labels['mesh.cluster'], 'k1')
  assert.equal(request.labels['mesh.node'], 'n1')
  assert.equal(request.labels['com.docker.swarm.service.name'], 'web')
})

test('it serves once its port accepts, and counts after 30 s all the same', async () => {
  const world = await started()
  world.accepting = false
  await world.assign('t1')
  await world.clock.run(1_000)
  assert.equal(world.task('t1')?.state, 'starting')
  assert.equal(world.task('t1')?.serving, false)
  world.accepting = true
  await world.clock.run(200)
  assert.equal(world.task('t1')?.serving, true)

  world.accepting = false
  await world.assign('t2', { Slot: 2 })
  await world.clock.run(29_000)
  assert.equal(world.task('t2')?.state, 'starting')
  await world.clock.run(2_000)
  assert.equal(world.task('t2')?.state, 'running')
  assert.match(world.task('t2')?.message ?? '', /no target port accepts/)
})

test('shutdown drains by the label, then stops with the signal and grace of the spec', async () => {
  const world = await started()
  const Spec = { ContainerSpec: { Image: 'x', StopSignal: 'SIGQUIT', StopGracePeriod: 3e9 } }
  await world.assign('t1', { Spec, Labels: { 'mesh.drain': '2s' } })
  await world.assign('t1', { Spec, DesiredState: 'shutdown' })
  const drain = world.drains[0] ?? assert.fail('it was not drained')
  assert.equal(drain.deadlineMs, 2_000)
  assert.equal(world.task('t1')?.draining, true)
  assert.equal(world.task('t1')?.serving, false)
  assert.ok(!world.engine.calls.some((call) => call.startsWith('stop')))
  drain.resolve()
  await world.settle()
  assert.ok(world.engine.calls.includes('stop c1 SIGQUIT 3000'))
  assert.equal(world.task('t1')?.state, 'shutdown')
})

test('a data plane that never answers holds no task up', async () => {
  const world = await started()
  await world.assign('t1')
  await world.assign('t1', { DesiredState: 'shutdown' })
  await world.clock.run(14_900)
  assert.equal(world.task('t1')?.state, 'running')
  await world.clock.run(200)
  assert.equal(world.task('t1')?.state, 'shutdown')
})

test('a task that is no longer in the catalog leaves no container and no record', async () => {
  const world = await started()
  await world.assign('t1')
  world.engine.exit('c1', 1, 'no disk')
  await world.settle()
  assert.equal(world.task('t1')?.err, 'task: non-zero exit (1): no disk')
  await world.withdraw('t1')
  assert.equal(world.engine.containers.size, 0)
  assert.equal(world.task('t1'), null)
})

test('a container that somebody removed is a failed task', async () => {
  const world = await started()
  await world.assign('t1')
  world.engine.removeByHand('c1')
  await world.settle()
  assert.equal(world.task('t1')?.state, 'failed')
  assert.equal(world.task('t1')?.err, 'its container is gone: somebody else removed it')
})

test('what cannot be created is rejected, with the reason', async () => {
  const world = await started()
  world.engine.createFault = 'no such image: nginx'
  await world.assign('t1')
  assert.equal(world.task('t1')?.state, 'rejected')
  assert.equal(world.task('t1')?.err, 'no such image: nginx (on node host)')
})

test('a new daemon adopts what runs, and removes what no task owns', async () => {
  const before = await started()
  await before.assign('t1')
  await before.assign('t2', { Slot: 2 })
  await before.agent.stop()
  const { engine } = before
  engine.calls.length = 0

  const world = new World(engine)
  world.accepting = false
  await world.start()
  assert.deepEqual(engine.calls, [], 'before the catalog has spoken nothing is touched')
  const Status = { Timestamp: '2026-11-24T00:00:00Z', State: 'running' } as const
  await world.assign('t1', { Status })
  assert.deepEqual(world.states, ['running'])
  assert.equal(world.task('t1')?.serving, true)
  assert.deepEqual(engine.calls, ['stop c2 default 10000', 'remove c2'])
})

test('a container that a dead daemon asked for, and that came late, is found and removed', async () => {
  const world = await started()
  await world.assign('t1')
  const [made] = world.engine.containers.values()
  assert.ok(made !== undefined)
  const late = { ...made, state: { ...made.state, id: 'late', taskId: 't0', running: false } }
  world.engine.containers.set('late', late)
  await world.clock.run(61_000)
  assert.deepEqual([...world.engine.containers.keys()], ['c1'])
  assert.equal(world.task('t1')?.state, 'running')
})

test('a task that ended before is not run again by a new daemon', async () => {
  const world = await started()
  const Status = { Timestamp: '2026-11-24T00:00:00Z', State: 'failed' } as const
  await world.assign('t1', { Status })
  assert.deepEqual(world.engine.calls, [])
  assert.equal(world.task('t1'), null)
})

test('an engine that does not answer is shown, and read again when it does', async () => {
  const world = await started()
  assert.equal(world.node()?.engineReady, true)
  assert.equal(world.node()?.description.Resources.NanoCPUs, 2e9)
  await world.assign('t1')
  world.engine.isUp = false
  await world.clock.run(6_000)
  assert.equal(world.node()?.engineReady, false)
  assert.match(world.node()?.message ?? '', /connection refused/)
  assert.equal(world.node()?.description.Resources.NanoCPUs, 2e9, 'what is known stays')
  assert.equal(world.task('t1')?.serving, true, 'what runs keeps its routes')

  await world.assign('t2', { Slot: 2 })
  assert.equal(world.task('t2'), null)
  world.engine.exit('c1', 1)
  world.engine.isUp = true
  await world.clock.run(6_000)
  assert.equal(world.node()?.engineReady, true)
  assert.equal(world.task('t1')?.state, 'failed')
  assert.equal(world.task('t2')?.state, 'running')
})

test('an engine that is not there at the start is waited for', async () => {
  const world = new World()
  world.engine.isUp = false
  await world.start()
  await world.assign('t1')
  assert.equal(world.node()?.engineReady, false)
  world.engine.isUp = true
  await world.clock.run(10_000)
  assert.equal(world.task('t1')?.state, 'running')
})

test('an unhealthy container is drained, stopped and has failed', async () => {
  const world = await started()
  await world.assign('t1')
  world.engine.setHealth('c1', 'unhealthy')
  await world.settle()
  world.drains[0]?.resolve()
  await world.settle()
  assert.equal(world.task('t1')?.state, 'failed')
  assert.equal(world.task('t1')?.err, 'unhealthy container')
})

test('processes end with their daemon, drained and told; containers live on', async () => {
  const process = await started(new FakeEngine('process'))
  await process.assign('t1')
  const stopping = process.agent.stop()
  await process.settle()
  process.drains[0]?.resolve()
  await process.settle()
  await stopping
  assert.equal(process.task('t1')?.state, 'failed')
  assert.deepEqual(process.engine.calls.at(-1), 'stop c1 default 3000')

  const docker = await started()
  await docker.assign('t1')
  await docker.agent.stop()
  assert.equal(docker.task('t1')?.serving, true)
  assert.ok(docker.engine.containers.get('c1')?.state.running)
})

test('a node that stops says so at once, and takes nothing more', async () => {
  const world = await started(new FakeEngine('process'))
  await world.assign('t1')
  const stopping = world.agent.stop()
  await world.settle()
  const said = world.node()
  assert.deepEqual(
    [said?.engineReady, said?.message, world.task('t1')?.draining],
    [false, 'this node is being stopped', true],
  )
  await world.assign('t2')
  assert.equal(world.task('t2'), null)
  // News of its engine or ingress does not take that back.
  world.agent.setIngress({ ingressReady: false, portConflicts: {} })
  await world.clock.run(60_000)
  assert.equal(world.node()?.engineReady, false)
  world.drains[0]?.resolve()
  await stopping
})

test('a node that leaves removes all that it ran, and its last words are that it ended', async () => {
  const world = await started()
  await world.assign('t1')
  const retiring = world.agent.retire()
  await world.settle()
  assert.equal(world.node()?.engineReady, false)
  assert.equal(world.task('t1')?.draining, true)
  world.drains[0]?.resolve()
  await world.settle()
  await retiring
  assert.equal(world.engine.containers.size, 0)
  assert.deepEqual([world.task('t1')?.state, world.task('t1')?.serving], ['shutdown', false])
})

test('the node says what its ingress cannot bind', async () => {
  const world = await started()
  world.agent.setIngress({ ingressReady: true, portConflicts: { '80': 'in use' } })
  assert.equal(world.node()?.ingressReady, true)
  assert.deepEqual(world.node()?.portConflicts, { '80': 'in use' })
})

test('how a pull comes on is told once a second, and it is given up when nobody wants it', async () => {
  const engine = new FakeEngine()
  const asContract: ContainerEngine = engine
  let watch: CreateWatch | undefined
  asContract.create = (_request, given) => {
    watch = given
    return new Promise((_resolve, reject) => {
      given?.signal.addEventListener('abort', () => {
        reject(engineFault('engine/refused', 'not wanted any more'))
      })
    })
  }
  const world = await started(engine)
  await world.assign('t1')
  watch?.progress('pulling nginx: 1 of 3 layers')
  watch?.progress('pulling nginx: 2 of 3 layers')
  assert.equal(world.task('t1')?.message, 'pulling nginx: 1 of 3 layers')
  await world.clock.run(1_000)
  watch?.progress('pulling nginx: 3 of 3 layers')
  assert.equal(world.task('t1')?.message, 'pulling nginx: 3 of 3 layers')
  await world.assign('t1', { DesiredState: 'shutdown' })
  assert.equal(watch?.signal.aborted, true)
  assert.equal(world.task('t1')?.state, 'shutdown')
})

test('a registry that does not answer is asked again, and the task says so meanwhile', async () => {
  const engine = new FakeEngine()
  let isSilent = true
  const create = engine.create.bind(engine)
  engine.create = (request) =>
    isSilent
      ? Promise.reject(engineFault('engine/registry-silent', 'connection refused'))
      : create(request)
  const world = await started(engine)
  await world.assign('t1')
  const waiting = world.task('t1')
  assert.deepEqual(
    [waiting?.state, waiting?.message, waiting?.err],
    ['preparing', 'tries again in 1 s', 'connection refused (on node host)'],
  )
  isSilent = false
  await world.clock.run(1_000)
  await world.settle()
  assert.deepEqual([world.task('t1')?.state, world.task('t1')?.err], ['running', ''])
})
