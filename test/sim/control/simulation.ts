import { type TaskView, tasksOf } from '../../../src/model/task-view.ts'
import { servicesOf } from '../../../src/model/service-view.ts'
import type { Played } from '../seed-search.ts'
import { brief } from './checker.ts'
import { Faults } from './faults.ts'
import { brokenConstraint } from './fitness.ts'
import { Operator } from './operator.ts'
import { ControlWorld } from './world.ts'

/** How long things go wrong in one seed. */
export const faultsMs: number = 120_000
/** How soon after the last fault everything must be as it is wanted. */
const convergenceMs = 180_000
/** How long nothing may be written then. */
const restMs = 30_000
const stepMs = 1000

export interface ControlOutcome extends Played {
  readonly convergedMs: number | null
  readonly passes: number
  readonly starts: number
  readonly entries: number
}

/** One seed from its founding to its end, which comes early when a promise is broken. */
export async function simulateControl(
  seed: number,
  forMs: number = faultsMs,
): Promise<ControlOutcome> {
  const world = new ControlWorld(seed)
  const operator = new Operator(world)
  const faults = new Faults(world)
  operator.start()
  await world.clock.run(15_000)
  faults.start()
  while (world.nowMs < forMs && world.violations.length === 0) await world.clock.run(stepMs)
  faults.heal()
  operator.stop()
  const convergedMs = world.violations.length === 0 ? await converge(world) : null
  return {
    seed,
    simulatedMs: world.nowMs,
    convergedMs,
    passes: world.checker.passes,
    starts: world.checker.starts,
    elections: world.managers.elections,
    entries: world.agreement.index,
    faults: world.tally,
    trace: world.trace.hash,
    violations: world.violations,
  }
}

async function converge(world: ControlWorld): Promise<number | null> {
  const healedAtMs = world.nowMs
  const limitMs = healedAtMs + convergenceMs
  while (unrest(world) !== null && world.nowMs < limitMs && world.violations.length === 0) {
    await world.clock.run(stepMs)
  }
  const why = unrest(world)
  if (why !== null) {
    world.report('convergence', why)
    return null
  }
  const convergedMs = world.nowMs - healedAtMs
  const index = world.agreement.index
  await world.clock.run(restMs)
  const after = unrest(world)
  if (after !== null) world.report('rest', after)
  const written = world.agreement.index - index
  if (written > 0) world.report('rest', `${written} entries although nothing is to be done`)
  return convergedMs
}

/** What is not yet as it is wanted; null when all is. */
function unrest(world: ControlWorld): string | null {
  const { catalog } = world.agreement
  const tasks = tasksOf(catalog)
  for (const service of servicesOf(catalog)) {
    const isBatch = service.name === 'batch'
    const own = tasks.filter((task) => task.serviceId === service.id)
    const good = own.filter(
      (task) =>
        task.spec.image === service.template.image &&
        (isBatch ? task.state === 'complete' : task.isWanted && task.state === 'running'),
    )
    const desired =
      service.mode.kind === 'replicated' ? service.mode.replicas : world.machines.length
    const wanted = own.filter((task) => task.isWanted)
    if (good.length < desired || wanted.length > (isBatch ? 0 : desired)) {
      return `${service.name} has ${good.length} of ${desired}: ${own.map(brief).join('; ')} ${JSON.stringify(service.updateStatus)}`
    }
    const { updateStatus } = service
    if (updateStatus !== null && updateStatus.State !== 'completed') {
      return `the update of ${service.name} is ${updateStatus.State}: ${updateStatus.Message}`
    }
  }
  return unrestOfTasks(world, tasks)
}

function unrestOfTasks(world: ControlWorld, tasks: readonly TaskView[]): string | null {
  const running = new Map<string, string>()
  for (const machine of world.machines) {
    for (const { taskId } of machine.engine.containers) {
      const task = tasks.find((one) => one.id === taskId)
      if (task?.node !== machine.id) return `a container of ${taskId} is left on ${machine.id}`
    }
    for (const { taskId } of machine.engine.running) running.set(taskId, machine.id)
    for (const key of world.records.said(machine.id, machine.id).values.keys()) {
      const id = key.slice('task/'.length)
      if (key.startsWith('task/') && !tasks.some((task) => task.id === id)) return `${key} is left`
    }
  }
  for (const task of tasks) {
    const isRunning = running.get(task.id) === task.node
    if (task.state === 'running' && !isRunning) return `${brief(task)} has no container`
    if (task.isWanted !== isRunning) return `${brief(task)} ${isRunning ? 'runs' : 'does not run'}`
    if (!task.isWanted) continue
    const node = world.agreement.catalog.get('node', task.node ?? '')
    const why = node === undefined ? 'no node' : brokenConstraint(task, node.body as never)
    if (why !== null) return `${brief(task)}: ${why}`
  }
  return null
}
