import assert from 'node:assert/strict'
import type { ApiNode, ApiTask } from '../../../src/client/types.ts'
import { eventually, runProgram } from '../../support/daemon.ts'
import type { EngineStage, Machine } from '../../support/engine-stage.ts'

export interface Story {
  readonly name: string
  /** Of what the other runtime has not: containers that outlive their daemon, an engine. */
  readonly only?: 'docker' | 'process'
  /** Docker's own client has to be on this machine. */
  readonly isByDocker?: boolean
  readonly tell: (stage: EngineStage) => Promise<void>
}

/** Of the service `web`. */
export const port = 18_080
export const patienceMs = 60_000

/** A task that does nothing, and of which nothing is asked when it is to stop. */
export const idle = ['busybox', 'sleep', '1000']
export const hasty = ['--no-resolve-image', '--stop-signal', 'SIGKILL', '--update-monitor', '500ms']

export async function ok({ daemon }: Machine, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...words)
  assert.equal(code, 0, `meshctl ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** Made without waiting, for not all of these ever converge. */
export const create = (
  { machines }: EngineStage,
  name: string,
  flags: readonly string[],
  words: readonly string[] = idle,
): Promise<string> =>
  ok(machines[0], 'service', 'create', '-d', '--name', name, ...hasty, ...flags, ...words)

export const remove = ({ machines }: EngineStage, ...names: string[]): Promise<string> =>
  ok(machines[0], 'service', 'rm', ...names)

/** Until its tasks, each with what became of it, are as `check` wants them. */
export function tells(stage: EngineStage, name: string, check: RegExp): Promise<void> {
  return eventually(`service ps ${name} tells ${check}`, patienceMs, async () => {
    assert.match(await ok(stage.machines[0], 'service', 'ps', '--no-trunc', name), check)
    return true
  })
}

export interface InspectedTask extends ApiTask {
  readonly Status: ApiTask['Status'] & {
    readonly ContainerStatus?: { readonly ContainerID?: string; readonly PID?: number }
    readonly PortStatus?: { readonly Ports?: readonly { readonly PublishedPort?: number }[] }
  }
}

export const tasksOf = (stage: EngineStage, service: string): Promise<readonly InspectedTask[]> =>
  stage.ask(stage.machines[0], (client) => client.tasks({ service: [service] }))

/** Until one of its tasks says so: state, message and error, with bars between. */
export function taskSays(stage: EngineStage, service: string, pattern: RegExp): Promise<void> {
  return eventually(`a task of ${service} says ${pattern}`, patienceMs, async () => {
    const words = (await tasksOf(stage, service)).map(({ Status }) =>
      [Status.State, Status.Message, Status.Err].join(' | '),
    )
    if (words.some((word) => pattern.test(word))) return true
    throw new Error(words.join('\n'))
  })
}

/** A task, and where it is. */
export interface Place {
  readonly task: InspectedTask
  readonly machine: Machine
  readonly containerId: string
}

/** Where its wanted tasks are. */
export async function placesOf(stage: EngineStage, service: string): Promise<readonly Place[]> {
  const [tasks, nodes] = await Promise.all([
    tasksOf(stage, service),
    stage.ask(stage.machines[0], (client) => client.nodes()),
  ])
  const names = new Map(nodes.map(({ ID, Description }) => [ID, Description.Hostname]))
  return tasks.flatMap((task) => {
    const name = names.get(task.NodeID ?? '')
    const machine = stage.machines.find((each) => each.name === name)
    if (machine === undefined || task.DesiredState !== 'running') return []
    return [{ task, machine, containerId: task.Status.ContainerStatus?.ContainerID ?? '' }]
  })
}

interface RunningTask {
  readonly id: string
  readonly node: string
}

/** What runs of it and shall run. */
export async function running(
  stage: EngineStage,
  service: string,
): Promise<readonly RunningTask[]> {
  const places = await placesOf(stage, service)
  return places
    .filter(({ task }) => task.Status.State === 'running')
    .map(({ task, machine }) => ({ id: task.ID, node: machine.name }))
}

/** The place of a service that runs one task. */
export async function onlyOf(stage: EngineStage, service: string): Promise<Place> {
  let found: Place | null = null
  await eventually(`${service} runs once`, patienceMs, async () => {
    const [place, ...more] = await placesOf(stage, service)
    const runs = place?.task.Status.State === 'running' && more.length === 0
    found = runs ? place : null
    if (runs) return true
    throw new Error(JSON.stringify((await tasksOf(stage, service)).map(({ Status }) => Status)))
  })
  return found as unknown as Place
}

/** Runs a program where the task is; answers what it prints. */
export async function inside(
  { machine: { engine }, containerId }: Place,
  ...words: string[]
): Promise<string> {
  if (engine !== null) return engine.docker('exec', containerId, ...words)
  const [file = '', ...args] = words
  const { code, stdout, stderr } = await runProgram(file, args)
  assert.equal(code, 0, stderr)
  return stdout
}

/** The first of its processes, and with it the rest. */
export async function killByHand({ machine: { engine }, containerId, task }: Place): Promise<void> {
  if (engine === null) process.kill(task.Status.ContainerStatus?.PID ?? 0, 'SIGKILL')
  else await engine.docker('kill', containerId)
}

export const idsOf = (tasks: readonly RunningTask[]): readonly string[] =>
  tasks.map(({ id }) => id).sort()

/** How many tasks of it run on n1, n2 and n3; where there are engines, containers as well. */
export async function spreads(stage: EngineStage, service: string, counts: readonly number[]) {
  await eventually(`${service} is spread ${counts.join()}`, patienceMs, async () => {
    const tasks = await running(stage, service)
    const here = stage.machines.map(({ name }) => tasks.filter(({ node }) => node === name).length)
    assert.deepEqual(here, counts)
    return true
  })
  for (const [at, machine] of stage.machines.entries()) {
    if (machine.engine === null || counts[at] === 0) continue
    await eventually(`${machine.name} has as many containers`, patienceMs, async () => {
      return (await stage.containers(machine, service)).length === counts[at]
    })
  }
}

export const allContainers = async (
  stage: EngineStage,
  service: string,
  which: 'running' | 'all' = 'running',
): Promise<readonly string[]> => {
  const each = stage.machines.map((machine) => stage.containers(machine, service, which))
  return (await Promise.all(each)).flat()
}

/** Removes them, and waits until no machine has a container of theirs. */
export async function gone(stage: EngineStage, ...services: string[]): Promise<void> {
  await remove(stage, ...services)
  if (stage.machines[0].engine === null) return
  await eventually(`nothing of ${services.join(', ')} is left`, patienceMs, async () => {
    const left = await Promise.all(services.map((name) => allContainers(stage, name, 'all')))
    return left.flat().length === 0
  })
}

export const nodeOf = (stage: EngineStage, name: string): Promise<ApiNode> =>
  stage.ask(stage.machines[0], (client) => client.node(name))

export const stateOf = async (stage: EngineStage, name: string): Promise<string> =>
  (await nodeOf(stage, name)).Status.State

/** Until everybody sees whether its engine answers. */
export const showsEngine = (stage: EngineStage, name: string, isSilent: boolean): Promise<void> =>
  eventually(`${name} shows how its engine is`, patienceMs, async () => {
    const { Status } = await nodeOf(stage, name)
    return (Status.Message ?? '').includes('does not answer') === isSilent
  })

/** Nobody who came to any machine meanwhile was turned away. */
export async function servingAll(stage: EngineStage, happens: () => Promise<void>): Promise<void> {
  assert.deepEqual(await stage.amongVisitors(port, stage.machines, happens), [])
}

/** Until the daemon there says so of itself. */
export function becomes(stage: EngineStage, machine: Machine, isManager: boolean): Promise<void> {
  const what = `${machine.name} is a ${isManager ? 'manager' : 'worker'}`
  return eventually(what, patienceMs, async () => {
    const { Swarm } = await stage.ask(machine, (client) => client.info())
    return Swarm.ControlAvailable === isManager
  })
}
