import type { NodeId } from '../../../mesh/base/ids.ts'
import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import type { Catalog } from '../../../mesh/catalog/catalog.ts'
import type { Change } from '../../../mesh/catalog/types.ts'
import { nodesOf } from '../../../src/model/node-view.ts'
import { type ServiceView, serviceById, servicesOf } from '../../../src/model/service-view.ts'
import { compareTaskStates } from '../../../src/model/task-state.ts'
import { taskById, type TaskView, tasksOf } from '../../../src/model/task-view.ts'
import type { Agreed } from './agreement.ts'
import { brokenConstraint, misfit, shortage } from './fitness.ts'
import type { ControlMachine } from './machine.ts'
import type { ControlWorld } from './world.ts'

/** What one pass of the leader writes at most; beyond that a rule may be kept by the next one only. */
const changesPerPass = 500
const historyLimit = 5

/** Watches every word of a leader, every entry of the table and every container. */
export class ControlChecker {
  readonly #world: ControlWorld
  /** The last of every task, also of those that are forgotten. */
  readonly #tasks = new Map<string, TaskView>()
  /** Tasks whose node was given up: nobody knows what still runs there. */
  readonly #givenUp = new Set<string>()
  readonly #stopAskedAtMs = new Map<string, number>()
  passes = 0
  starts = 0

  constructor(world: ControlWorld) {
    this.#world = world
  }

  /** What a leader asks for must be right by what it knows, whoever else writes meanwhile. */
  judgePass(seen: Catalog, changes: readonly Change[], leader: NodeId): void {
    this.passes++
    const transaction = { request: `judged ${this.passes}`, atMs: 0, changes }
    const { catalog, result } = applyTransaction(seen, transaction, seen.index + 1)
    if (result.kind === 'refused') {
      return this.#report('passes', `contradicts what its leader knows: ${result.refusal.code}`)
    }
    if (changes.length >= changesPerPass) return
    this.#judgeAssignments(seen, catalog)
    this.#judgeNodes(catalog)
    for (const service of servicesOf(catalog)) {
      this.#judgeService(service, catalog, leader)
      this.#judgeHistory(service, catalog)
    }
  }

  agreed({ before, after, transaction }: Agreed): void {
    const { trace, managers } = this.#world
    trace.note(transaction.request)
    trace.mix(after.index, transaction.changes.length)
    for (const change of transaction.changes) {
      const id = change.kind === 'delete' ? change.ref.id : change.object.id
      const [was, is] = [taskById(before, id), taskById(after, id)]
      this.#judgeStep(was, is)
      this.#remember(was, is)
    }
    if (!transaction.request.startsWith('pass')) return
    const seen = this.#world.agreement.at(Number(transaction.request.split(' ').at(-1)))
    const leader = managers.leader
    if (leader === null || transaction.changes.length >= changesPerPass) return
    for (const service of servicesOf(after)) {
      // Somebody changed what is wanted while the pass was on its way: the next one follows.
      if (seen.get('service', service.id)?.version !== before.get('service', service.id)?.version)
        continue
      this.#judgeService(service, after, leader)
    }
  }

  /** A container of this task began to run. */
  started(taskId: string, on: ControlMachine): void {
    this.starts++
    const { agreement, machines, trace } = this.#world
    trace.note(`${taskId} runs on ${on.id}`)
    const task = this.#tasks.get(taskId)
    if (task === undefined) return this.#report('containers', `${taskId} was never agreed on`)
    const service = serviceById(agreement.catalog, task.serviceId)
    if (service === undefined || !isStopFirst(service)) return
    for (const machine of machines) {
      for (const { taskId: otherId } of machine.engine.running) {
        const other = this.#tasks.get(otherId)
        if (otherId === taskId || other === undefined || !sharesPlace(task, other)) continue
        if (this.#isExcused(task, on) || this.#isExcused(other, machine)) continue
        const [one, two] = [brief(task), brief(other)]
        this.#report('one a place', `${one} starts beside ${two} on ${machine.id}`)
      }
    }
  }

  #judgeAssignments(before: Catalog, after: Catalog): void {
    for (const task of tasksOf(after)) {
      if (task.node === null || taskById(before, task.id)?.node === task.node) continue
      const why = misfit(task, after)
      if (why !== null) this.#report('fits its node', `${brief(task)}: ${why}`)
    }
  }

  /** Also of what was placed before something changed. */
  #judgeNodes(catalog: Catalog): void {
    const wanted = tasksOf(catalog).filter((task) => task.isWanted && !task.hasEnded)
    for (const node of nodesOf(catalog)) {
      if (node.availability !== 'active') continue
      const own = wanted.filter((task) => task.node === node.id)
      const why =
        shortage(own, node.body) ??
        own.map((task) => brokenConstraint(task, node.body)).find((broken) => broken !== null)
      if (why) this.#report('fits its node', `${own.map(brief).join('; ')}: ${why}`)
    }
  }

  #judgeService(service: ServiceView, catalog: Catalog, leader: NodeId): void {
    const tasks = tasksOf(catalog).filter((task) => task.serviceId === service.id)
    const wanted = tasks.filter((task) => task.isWanted)
    const desired =
      service.mode.kind === 'replicated' ? service.mode.replicas : this.#world.machines.length
    const most = desired + surgeOf(service, desired)
    if (wanted.length > most) {
      const all = wanted.map(brief).join('; ')
      this.#report('desired and surge', `${wanted.length} of ${most} in ${service.name}: ${all}`)
    }
    if (isStopFirst(service)) this.#judgePlaces(tasks, leader)
  }

  #judgePlaces(tasks: readonly TaskView[], leader: NodeId): void {
    for (const places of Map.groupBy(tasks, placeOf).values()) {
      const wanted = places.filter((task) => task.isWanted)
      if (wanted.length > 1) {
        this.#report('one a place', `wanted at once: ${wanted.map(brief).join('; ')}`)
      }
      const runner = places.find((task) => task.isWanted && task.desired === 'running')
      const rival = places.find(
        (task) => task !== runner && !task.hasEnded && task.node !== null && !task.isWanted,
      )
      if (runner === undefined || rival === undefined || this.#isExcusedTo(rival, leader)) continue
      if (this.#mayRun(runner)) {
        this.#report('one a place', `${brief(runner)} may run beside ${brief(rival)}`)
      }
    }
  }

  /** It was allowed to start now; one that was before is the other one's concern. */
  #mayRun(task: TaskView): boolean {
    return !task.hasEnded && this.#tasks.get(task.id)?.desired !== 'running'
  }

  /** A task's life goes one way, on one node, and is followed to its end. */
  #judgeStep(was: TaskView | undefined, is: TaskView | undefined): void {
    if (was === undefined) return
    if (is === undefined) return this.#judgeEnd(was)
    const isOtherNode = was.node !== null && is.node !== was.node
    if (compareTaskStates(is.state, was.state) < 0 || isOtherNode || (is.isWanted && !was.isWanted))
      this.#report('one way', `${brief(was)} becomes ${brief(is)}`)
  }

  #judgeEnd(task: TaskView): void {
    const machine = this.#world.machines.find(({ id }) => id === task.node)
    const isRunning = machine?.engine.running.some(({ taskId }) => taskId === task.id) === true
    if (machine === undefined || !isRunning || this.#isExcused(task, machine)) return
    this.#report('one way', `${brief(task)} is forgotten while it runs`)
  }

  #judgeHistory(service: ServiceView, catalog: Catalog): void {
    const tasks = tasksOf(catalog).filter((task) => task.serviceId === service.id)
    const attempts = service.template.restart.maxAttempts
    // One more is the proof that an update failed, and one the youngest.
    const most = Math.max(historyLimit, attempts + 1) + 1
    for (const [place, all] of Map.groupBy(tasks, placeOf)) {
      const over = all.filter((task) => task.hasEnded && !task.isWanted)
      if (over.length > most) this.#report('history', `${over.length} ended in ${place}`)
    }
  }

  #remember(before: TaskView | undefined, after: TaskView | undefined): void {
    const task = after ?? before
    if (task === undefined) return
    this.#tasks.set(task.id, task)
    const isForgotten = after === undefined && !task.hasEnded && task.node !== null
    if (task.stopCause === 'node-lost' || task.state === 'orphaned' || isForgotten) {
      this.#givenUp.add(task.id)
    }
    if ((!task.isWanted || after === undefined) && !this.#stopAskedAtMs.has(task.id)) {
      this.#stopAskedAtMs.set(task.id, this.#world.nowMs)
    }
  }

  #isExcused(task: TaskView, machine: ControlMachine): boolean {
    return this.#givenUp.has(task.id) || this.#wasApart(task, machine.id)
  }

  #isExcusedTo(task: TaskView, leader: NodeId): boolean {
    if (this.#givenUp.has(task.id) || task.stopCause === 'node-lost') return true
    return task.node === null || task.node === leader ? false : this.#wasApart(task, task.node)
  }

  /** Nobody could know what its node did since it was told to stop, or shortly before. */
  #wasApart(task: TaskView, node: NodeId): boolean {
    const sinceMs = this.#stopAskedAtMs.get(task.id) ?? this.#world.nowMs
    return this.#world.reach.lastApartMs(node) >= sinceMs - apartMarginMs
  }

  #report(rule: string, what: string): void {
    this.#world.report(rule, what)
  }
}

/** How long a leader may go on with what it saw before its last write is known. */
const apartMarginMs = 10_000

const placeOf = (task: TaskView): string =>
  `${task.serviceName} ${task.slot === 0 ? task.node : task.slot}`

const sharesPlace = (one: TaskView, other: TaskView): boolean =>
  one.serviceId === other.serviceId && placeOf(one) === placeOf(other)

/** It says so, for updates and rollbacks: nothing may ever run twice. */
function isStopFirst({ body }: ServiceView): boolean {
  const { UpdateConfig, RollbackConfig } = body.Spec
  return UpdateConfig?.Order === 'stop-first' && RollbackConfig?.Order === 'stop-first'
}

function surgeOf(service: ServiceView, desired: number): number {
  if (isStopFirst(service)) return 0
  const parallelism = service.body.Spec.UpdateConfig?.Parallelism ?? 1
  return parallelism === 0 ? desired : parallelism
}

export const brief = (task: TaskView): string =>
  `${task.serviceName}.${task.slot || task.node} ${task.id.slice(0, 5)} (${task.spec.image} on ` +
  `${task.node ?? 'none'}: ${task.state}/${task.desired}${task.stopCause ? `, ${task.stopCause}` : ''})`
