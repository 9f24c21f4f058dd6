import assert from 'node:assert/strict'
import type { ApiNode } from '../../src/client/types.ts'
import { eventually } from '../support/daemon.ts'
import type { EngineStage, Machine } from '../support/engine-stage.ts'

/** Told in this order: each finds what the ones before have left. */
export interface Story {
  readonly name: string
  /** Of what the other runtime has not: containers that outlive their daemon, an engine. */
  readonly only?: 'docker'
  /** Docker's own client has to be on this machine. */
  readonly isByDocker?: boolean
  readonly tell: (stage: EngineStage) => Promise<void>
}

/** Of the service `web`. */
export const port = 18_080
export const patienceMs = 60_000

export async function ok({ daemon }: Machine, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...words)
  assert.equal(code, 0, `meshctl ${words.join(' ')}: ${stderr}`)
  return stdout
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
  const [tasks, nodes] = await stage.ask(stage.machines[0], (client) =>
    Promise.all([client.tasks({ service: [service] }), client.nodes()]),
  )
  const names = new Map(nodes.map(({ ID, Description }) => [ID, Description.Hostname]))
  return tasks
    .filter(({ Status, DesiredState }) => Status.State === 'running' && DesiredState === 'running')
    .map(({ ID, NodeID = '' }) => ({ id: ID, node: names.get(NodeID) ?? '' }))
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
): Promise<readonly string[]> => {
  const each = stage.machines.map((machine) => stage.containers(machine, service))
  return (await Promise.all(each)).flat()
}

export const nodeOf = (stage: EngineStage, name: string): Promise<ApiNode> =>
  stage.ask(stage.machines[0], (client) => client.node(name))

export const stateOf = async (stage: EngineStage, name: string): Promise<string> =>
  (await nodeOf(stage, name)).Status.State

/** Until the daemon there says so of itself. */
export function becomes(stage: EngineStage, machine: Machine, isManager: boolean): Promise<void> {
  const what = `${machine.name} is a ${isManager ? 'manager' : 'worker'}`
  return eventually(what, patienceMs, async () => {
    const { Swarm } = await stage.ask(machine, (client) => client.info())
    return Swarm.ControlAvailable === isManager
  })
}
