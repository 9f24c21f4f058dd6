import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiService, ApiTask } from '../../../src/client/types.ts'
import { parseTemplate } from '../../../src/meshctl/go-template.ts'
import { humanBytes, humanDuration } from '../../../src/meshctl/human.ts'
import { type Progress, progressOf } from '../../../src/meshctl/progress.ts'
import { parsePublish } from '../../../src/meshctl/publish.ts'
import { durationNs, nanoCpus, sizeBytes } from '../../../src/meshctl/quantities.ts'
import { table } from '../../../src/meshctl/table.ts'
import { fieldsOf, wordsOf } from '../../../src/meshctl/words.ts'

const ports = (text: string): readonly object[] => parsePublish('--publish', text)

test('ports are understood in both of docker’s grammars', () => {
  const web = { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }
  assert.deepEqual(ports('8080:80'), [web])
  assert.deepEqual(ports('published=8080,target=80'), [web])
  assert.deepEqual(ports('8080-8081:80'), [web, { ...web, PublishedPort: 8081 }])
  const { PublishedPort: _open, ...open } = web
  assert.deepEqual(ports('80'), [open])
  const bad = ['', '80:', ':80', '0:80', '80:70000', 'a=1', 'published=80', '80:80/', '1.2.3.4:1:1']
  for (const text of bad) assert.throws(() => ports(text), /invalid --publish/, text)
})

test("a shell's words and fields between commas are read with their quotes", () => {
  assert.deepEqual(wordsOf('x', ` a 'b "c' "d 'e\\" f" g\\ h '' i"j"k `), [
    ...['a', 'b "c', `d 'e" f`, 'g h', '', 'ijk'],
  ])
  assert.deepEqual(wordsOf('x', '  '), [])
  for (const open of [`'a`, '"a', 'a\\']) assert.throws(() => wordsOf('x', open), /invalid x/, open)
  assert.deepEqual(fieldsOf('x', 'a=1,"b=2,3",,"c""d"'), ['a=1', 'b=2,3', '', 'c"d'])
  for (const bad of ['a"b"', '"a', '"a"b'])
    assert.throws(() => fieldsOf('x', bad), /invalid x/, bad)
})

test('durations, sizes and CPUs are read as docker reads them', () => {
  assert.equal(durationNs('x', '1m30s'), 90e9)
  assert.equal(durationNs('x', '1.5s'), 1.5e9)
  assert.equal(durationNs('x', '250ms'), 250e6)
  assert.equal(sizeBytes('x', '512m'), 512 * 1024 ** 2)
  assert.equal(sizeBytes('x', '1.5GiB'), 1.5 * 1024 ** 3)
  assert.equal(sizeBytes('x', '100'), 100)
  assert.equal(nanoCpus('x', '.5'), 5e8)
  for (const bad of ['', '1', '1x', 's', '1s2', '-1s']) assert.throws(() => durationNs('x', bad))
  for (const bad of ['', 'm', '1q', '-1']) assert.throws(() => sizeBytes('x', bad))
  for (const bad of ['', '.', '1e3', '-1']) assert.throws(() => nanoCpus('x', bad))
})

test('templates show fields, JSON and maps, and name what is not there', () => {
  const value = { A: { B: 'c', N: 3, L: ['x', 'y'], M: { k: 'v' } } }
  const render = (text: string): string => parseTemplate(text).render(value)
  assert.equal(render('{{.A.B}} is {{ .A.N }}'), 'c is 3')
  assert.equal(render('{{json .A.L}}'), '["x","y"]')
  assert.equal(render('{{.A.L}} {{.A.M}}'), '[x y] map[k:v]')
  assert.equal(render('{{upper .A.B}}\\t{{len .A.L}}'), 'C\t2')
  assert.equal(render('{{index .A.M "k"}}'), 'v')
  assert.throws(() => render('{{.A.X}}'), /no field X/)
  assert.throws(() => render('{{range .A}}'), /not understood/)
  assert.throws(() => render('{{.A'), /not closed/)
})

test('a table has no borders and no trailing spaces', () => {
  const text = table([
    ['ID', 'NAME', 'PORTS'],
    ['a-longer-id', 'x', ''],
  ])
  assert.equal(text, 'ID            NAME      PORTS\na-longer-id   x\n')
})

test('times and sizes are in words for people', () => {
  const second = 1000
  const cases: [number, string][] = [
    [0, 'less than a second'],
    [1.5 * second, '1 second'],
    [59 * second, '59 seconds'],
    [90 * second, 'about a minute'],
    [600 * second, '10 minutes'],
    [4000 * second, 'about an hour'],
    [36 * 3600 * second, '36 hours'],
    [10 * 86_400 * second, '10 days'],
  ]
  for (const [ms, words] of cases) assert.equal(humanDuration(ms), words)
  assert.equal(humanBytes(4 * 1024 ** 3), '4GiB')
  assert.equal(humanBytes(1536), '1.5KiB')
})

const meta = { Version: { Index: 1 }, UpdatedAt: '' }

function serviceOf(replicas: number, condition = 'any'): ApiService {
  const TaskTemplate = { ContainerSpec: { Image: 'i' }, RestartPolicy: { Condition: condition } }
  const Mode = { Replicated: { Replicas: replicas } }
  return { ...meta, ID: 's', CreatedAt: '', Spec: { Name: 'web', TaskTemplate, Mode } }
}

function taskOf(slot: number, state: string, more: Partial<ApiTask> = {}): ApiTask {
  return {
    ...meta,
    ID: `${slot}-${state}`,
    CreatedAt: '2026-01-01T00:00:00Z',
    ServiceID: 's',
    ServiceName: 'web',
    Slot: slot,
    NodeID: 'n',
    Spec: { ContainerSpec: { Image: 'i' } },
    Status: { State: state, Timestamp: '' },
    DesiredState: ['failed', 'complete', 'shutdown'].includes(state) ? 'shutdown' : 'running',
    ...more,
  }
}

/** All of them are as the service asks for. */
const lookAt = (service: ApiService, tasks: readonly ApiTask[]): Progress =>
  progressOf(service, tasks, new Set(tasks.map(({ ID }) => ID)))

test('progress counts one task a slot: the one that is wanted, else the newest', () => {
  const failed = taskOf(1, 'failed', { CreatedAt: '2026-01-02T00:00:00Z' })
  const progress = lookAt(serviceOf(2), [failed, taskOf(1, 'running'), taskOf(2, 'starting')])
  assert.equal(progress.running, 1)
  assert.deepEqual(
    progress.tasks.map(({ Status }) => Status.State),
    ['running', 'starting'],
  )
  assert.equal(progress.isDone, false)
  const all = [taskOf(1, 'running'), taskOf(2, 'running')]
  assert.equal(lookAt(serviceOf(2), all).isDone, true)
  assert.equal(lookAt(serviceOf(1), all).isDone, false, 'the surplus one still runs')
})

test('a task that is still to be replaced does not count', () => {
  const tasks = [taskOf(1, 'running'), taskOf(2, 'running')]
  const { running, isDone } = progressOf(serviceOf(2), tasks, new Set(['1-running']))
  assert.deepEqual({ running, isDone }, { running: 1, isDone: false })
})

test('tasks that ended well count as done, broken ones that stay broken end the waiting', () => {
  assert.equal(lookAt(serviceOf(1, 'none'), [taskOf(1, 'complete')]).isDone, true)
  const broken = lookAt(serviceOf(1, 'none'), [taskOf(1, 'failed')])
  assert.deepEqual([broken.isDone, broken.isHopeless], [false, true])
  assert.equal(lookAt(serviceOf(1), [taskOf(1, 'failed')]).isHopeless, false)
})
