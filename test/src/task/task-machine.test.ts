import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskEffect, TaskInput } from '../../../src/task/task-io.ts'
import type { ContainerFacts } from '../../../src/model/container-facts.ts'
import { TaskMachine, type TaskMachineOptions } from '../../../src/task/task-machine.ts'

const created: ContainerFacts = {
  id: 'c1',
  running: false,
  started: false,
  pid: 0,
  exitCode: null,
  isOutOfMemory: false,
  health: 'none',
  targets: {},
}
const up: ContainerFacts = {
  ...created,
  running: true,
  started: true,
  pid: 7,
  targets: { '80': '127.0.0.1:4711' },
}
const ended = (exitCode: number, lastLine?: string): ContainerFacts => ({
  ...created,
  started: true,
  exitCode,
  ...(lastLine !== undefined && { lastLine }),
})

const fresh: TaskMachineOptions = { desired: 'running', lastState: 'assigned', hasPorts: true }

/** One word an effect; of a report its state, with `+` when it serves, `~` when it drains. */
function word(effect: TaskEffect): string {
  if (effect.kind !== 'report') return effect.kind
  const { state, serving, draining, err } = effect.report
  return `${state}${serving ? '+' : ''}${draining ? '~' : ''}${err === '' ? '' : ` (${err})`}`
}

/** Steps through the inputs and checks what each one brings about. */
function walk(
  options: Partial<TaskMachineOptions>,
  ...steps: readonly (readonly [TaskInput, string, number?])[]
): TaskMachine {
  const machine = new TaskMachine({ ...fresh, ...options })
  for (const [input, expected, nowMs = 0] of steps) {
    const words = machine.step(input, nowMs).map(word).join(', ')
    assert.equal(words, expected, JSON.stringify(input))
  }
  return machine
}

const read = (container: ContainerFacts | null): TaskInput => ({ kind: 'engine-read', container })
const seen = (container: ContainerFacts | null): TaskInput => ({
  kind: 'container-seen',
  container,
})
const want = (desired: 'ready' | 'running' | 'shutdown' | 'remove'): TaskInput => ({
  kind: 'desired',
  desired,
})

const begins = [read(null), 'accepted, preparing, create'] as const
const isCreated = [{ kind: 'created', container: created }, 'ready, starting, start'] as const
const isStarted = [{ kind: 'started', container: up }, 'probe-ports'] as const
const accepts = [{ kind: 'port-accepted' }, 'running+'] as const
const runs = [begins, isCreated, isStarted, accepts] as const

test('a task is created, started, and runs once its port accepts', () => {
  walk({}, ...runs)
})

test('without ports it runs at once', () => {
  walk({ hasPorts: false }, begins, isCreated, [{ kind: 'started', container: up }, 'running+'])
})

test('ports that accept no connections are not waited for, but drained all the same', () => {
  walk(
    { probedPorts: [] },
    begins,
    isCreated,
    [{ kind: 'started', container: up }, 'running+'],
    [want('shutdown'), 'running~, drain'],
  )
})

test('of several ports those are tried that can accept', () => {
  const both = { ...up, targets: { '80': '127.0.0.1:4711', '53': '127.0.0.1:4712' } }
  const started = [{ kind: 'started', container: both }, 'probe-ports'] as const
  const machine = walk({ probedPorts: [80] }, begins, isCreated, started)
  assert.deepEqual(machine.targets, ['127.0.0.1:4711'])
})

test('while it should only be ready it waits, created', () => {
  walk(
    { desired: 'ready' },
    begins,
    [{ kind: 'created', container: created }, 'ready'],
    [want('running'), 'starting, start'],
  )
})

test('after 30 s it counts as running although no port accepts', () => {
  walk(
    {},
    begins,
    isCreated,
    [{ kind: 'started', container: up }, 'probe-ports', 1_000],
    [{ kind: 'tick' }, '', 30_999],
    [{ kind: 'tick' }, 'running+', 31_000],
    [{ kind: 'tick' }, '', 32_000],
  )
})

test('with a health check it runs once it is healthy, whatever its ports do', () => {
  const starting: ContainerFacts = { ...up, health: 'starting' }
  walk(
    {},
    begins,
    isCreated,
    [{ kind: 'started', container: starting }, ''],
    [{ kind: 'port-accepted' }, ''],
    [{ kind: 'tick' }, '', 60_000],
    [seen({ ...up, health: 'healthy' }), 'running+'],
    [seen({ ...up, health: 'unhealthy' }), 'running~, drain'],
    [{ kind: 'drained' }, 'stop'],
    [{ kind: 'stopped', container: ended(143) }, 'failed (unhealthy container)'],
  )
})

test('its own end is told with exit code and last line', () => {
  walk({}, ...runs, [seen(ended(0)), 'complete'])
  walk({}, ...runs, [seen(ended(1)), 'failed (task: non-zero exit (1))'])
  walk({}, ...runs, [seen(ended(2, 'no disk')), 'failed (task: non-zero exit (2): no disk)'])
  const killed: ContainerFacts = { ...ended(137, 'x'), isOutOfMemory: true }
  walk({}, ...runs, [seen(killed), 'failed (task: non-zero exit (137): out of memory)'])
  const perhaps = { ...ended(137, 'x'), memoryLimitBytes: 8 * 2 ** 20 }
  const hint = 'killed, perhaps out of memory: its limit is 8 MiB'
  walk({}, ...runs, [seen(perhaps), `failed (task: non-zero exit (137): ${hint})`])
})

test('one that ends before it is seen to run was started and failed', () => {
  walk({}, begins, isCreated, [
    { kind: 'started', container: ended(1) },
    'failed (task: non-zero exit (1))',
  ])
})

test('shutdown: out of the routes first, then the signal', () => {
  const machine = walk(
    {},
    ...runs,
    [want('shutdown'), 'running~, drain'],
    [want('remove'), ''],
    [{ kind: 'drained' }, 'stop'],
    [{ kind: 'drained' }, ''],
    [{ kind: 'stopped', container: ended(0) }, 'shutdown'],
  )
  assert.equal(machine.isActive, false)
})

test('what never served is stopped without draining', () => {
  walk(
    {},
    begins,
    isCreated,
    isStarted,
    [want('shutdown'), 'starting~, stop'],
    [{ kind: 'port-accepted' }, ''],
    [{ kind: 'stopped', container: ended(0) }, 'shutdown'],
  )
})

test('one that ends while it drains is shut down, not failed', () => {
  walk(
    {},
    ...runs,
    [want('shutdown'), 'running~, drain'],
    [seen(ended(1)), 'shutdown'],
    [{ kind: 'drained' }, ''],
  )
})

test('shutdown while it is being created or started waits for the answer', () => {
  walk(
    {},
    begins,
    [want('shutdown'), 'abandon-create'],
    [{ kind: 'created', container: created }, 'ready, shutdown'],
  )
  walk(
    {},
    begins,
    [want('shutdown'), 'abandon-create'],
    [{ kind: 'create-failed', because: 'x', mayPass: false }, 'shutdown'],
  )
  walk(
    {},
    begins,
    isCreated,
    [want('shutdown'), ''],
    [{ kind: 'started', container: up }, 'starting~, stop'],
  )
})

test('what cannot be created is rejected, what cannot be started has failed', () => {
  walk({}, begins, [
    { kind: 'create-failed', because: 'no such image', mayPass: false },
    'rejected (no such image)',
  ])
  walk({}, begins, isCreated, [
    { kind: 'start-failed', because: 'no program' },
    'failed (no program)',
  ])
})

test('a container that somebody removed is a failure', () => {
  walk({}, ...runs, [seen(null), 'failed (its container is gone: somebody else removed it)'])
  walk(
    { desired: 'ready' },
    begins,
    [{ kind: 'created', container: created }, 'ready'],
    [seen(null), 'failed (its container is gone: somebody else removed it)'],
  )
})

test('a forgotten task drains, stops, and leaves nothing', () => {
  walk(
    {},
    ...runs,
    [{ kind: 'forgotten' }, 'running~, drain'],
    [{ kind: 'drained' }, 'stop'],
    [{ kind: 'stopped', container: ended(0) }, 'shutdown, remove'],
    [{ kind: 'removed' }, 'forget'],
    [seen(null), ''],
  )
  walk(
    {},
    ...runs,
    [seen(ended(1)), 'failed (task: non-zero exit (1))'],
    [{ kind: 'forgotten' }, 'remove'],
  )
})

test('a running container is adopted, and serves without a gap', () => {
  walk({ lastState: 'running' }, [read(up), 'running+'])
  walk({ lastState: 'running', desired: 'shutdown' }, [read(up), 'running+, running~, drain'])
})

test('one of which nobody knew that it runs is probed first', () => {
  walk({ lastState: 'ready' }, [read(up), 'starting, probe-ports'], accepts)
})

test('what ended while no daemon looked is told as it ended', () => {
  walk({ lastState: 'running' }, [read(ended(3)), 'failed (task: non-zero exit (3))'])
  walk({ lastState: 'running' }, [
    read(null),
    'failed (its container is gone: somebody else removed it)',
  ])
  walk({ lastState: 'running', desired: 'shutdown' }, [read(null), 'shutdown'])
})

test('a task that has ended never starts again', () => {
  walk(
    { lastState: 'failed' },
    [read(null), ''],
    [want('running'), ''],
    [{ kind: 'forgotten' }, 'forget'],
  )
  walk(
    { lastState: 'orphaned' },
    [read(up), 'stop'],
    [{ kind: 'stopped', container: ended(0) }, ''],
    [{ kind: 'forgotten' }, 'remove'],
  )
})

test('an engine that returns is asked again for what it did not answer', () => {
  walk({}, begins, [read(null), 'create'], [read(created), 'ready, starting, start'])
  walk({}, begins, isCreated, [read(created), 'start'], [read(up), 'probe-ports'])
  walk({}, begins, isCreated, isStarted, [read(up), 'probe-ports'])
  walk({}, ...runs, [read(up), ''], [read(ended(1)), 'failed (task: non-zero exit (1))'])
  walk(
    {},
    ...runs,
    [{ kind: 'forgotten' }, 'running~, drain'],
    [read(up), ''],
    [{ kind: 'drained' }, 'stop'],
    [read(up), 'stop'],
    [read(ended(0)), 'shutdown, remove'],
    [read(ended(0)), 'remove'],
    [read(null), 'forget'],
  )
})

test('a daemon that stops gives its tasks up as failed, so that they are replaced', () => {
  walk(
    {},
    ...runs,
    [{ kind: 'daemon-stops' }, 'running~, drain'],
    [{ kind: 'drained' }, 'stop'],
    [{ kind: 'stopped', container: ended(0) }, 'failed (the daemon of its node was stopped)'],
  )
})

const noRegistry = (mayPass = true): TaskInput => ({
  kind: 'create-failed',
  because: 'no answer',
  mayPass,
})

test('an image that cannot be had now is tried again, ever later, and then somewhere else', () => {
  const machine = new TaskMachine(fresh)
  machine.step(read(null), 0)
  const delays: (number | string)[] = []
  for (let attempt = 0; attempt < 5; attempt++) {
    for (const effect of machine.step(noRegistry(), 0)) {
      if (effect.kind === 'retry-create') delays.push(effect.delayMs)
      if (effect.kind === 'report') delays.push(`${effect.report.state} ${effect.report.err}`)
    }
    machine.step({ kind: 'retry-due' }, 0)
  }
  const waits = 'preparing no answer'
  const expected = [waits, 1000, waits, 2000, waits, 4000, waits, 8000, 'rejected no answer']
  assert.deepEqual(delays, expected)
})

test('what went wrong is forgotten once the container is made', () => {
  walk(
    {},
    begins,
    [noRegistry(), 'preparing (no answer), retry-create'],
    [{ kind: 'retry-due' }, 'preparing (no answer), create'],
    [{ kind: 'created', container: created }, 'ready, starting, start'],
  )
})

test('nobody waits to try again for a task that must end', () => {
  walk(
    {},
    begins,
    [noRegistry(), 'preparing (no answer), retry-create'],
    [want('shutdown'), 'shutdown'],
    [{ kind: 'retry-due' }, ''],
  )
})

test('how a transfer comes on is told while it lasts', () => {
  const machine = walk({}, begins)
  const [effect] = machine.step({ kind: 'progress', text: 'pulling x: 1 of 3 layers' }, 0)
  assert.ok(effect?.kind === 'report')
  assert.equal(effect.report.message, 'pulling x: 1 of 3 layers')
  walk({}, begins, isCreated, [{ kind: 'progress', text: 'late' }, ''])
})

test('a paused container leaves the routes until it goes on', () => {
  const machine = walk({}, ...runs)
  const [paused] = machine.step(seen({ ...up, paused: true }), 0)
  assert.ok(paused?.kind === 'report')
  assert.deepEqual([paused.report.serving, paused.report.message], [false, 'paused by hand'])
  const [resumed] = machine.step(seen(up), 0)
  assert.ok(resumed?.kind === 'report')
  assert.deepEqual([resumed.report.serving, resumed.report.message], [true, 'started'])
})

test('a container that somebody restarted is not the task any more', () => {
  const first = { ...up, startedAt: '1' }
  const again = { ...up, startedAt: '2', pid: 8 }
  walk(
    { hasPorts: false },
    begins,
    isCreated,
    [{ kind: 'started', container: first }, 'running+'],
    [seen(again), 'running~, stop'],
  )
})

test('the container of an ended task that somebody starts is stopped again', () => {
  walk(
    { hasPorts: false },
    begins,
    isCreated,
    [{ kind: 'started', container: up }, 'running+'],
    [seen(ended(1)), 'failed (task: non-zero exit (1))'],
    [seen(up), 'stop'],
    [{ kind: 'stopped', container: ended(137) }, ''],
  )
})

test('an unhealthy container says what its check said', () => {
  const sick = { ...up, health: 'unhealthy', healthOutput: 'no answer' } as const
  walk(
    { hasPorts: false },
    begins,
    isCreated,
    [{ kind: 'started', container: { ...up, health: 'starting' } }, ''],
    [seen(sick), 'starting~, stop'],
    [{ kind: 'stopped', container: ended(143) }, 'failed (unhealthy container: no answer)'],
  )
})
