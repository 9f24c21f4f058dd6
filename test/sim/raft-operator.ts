import type { Change } from '../../mesh/catalog/types.ts'
import { createNode, idOf } from '../mesh/node/consensus-cluster.ts'
import type { RaftMachine } from './raft-machine.ts'
import type { RaftWorld } from './raft-world.ts'

const everyMs = 400
/** Fewer could not lose one and go on. */
const managersMin = 3

interface Task {
  readonly changes: readonly Change[]
  readonly done: () => void
  readonly request: string
}

/** Who changes the membership, through the catalog as an operator does: one step at a time. */
export class RaftOperator {
  readonly #world: RaftWorld
  readonly #managers: Set<RaftMachine>
  #task: Task | null = null
  #tasks = 0
  #stop: () => void = () => {}

  constructor(world: RaftWorld) {
    this.#world = world
    this.#managers = new Set(world.machines.slice(0, world.setting.managers))
  }

  start(): void {
    this.#stop = this.#world.clock.every(everyMs, () => this.#work())
  }

  stop(): void {
    this.#stop()
  }

  get isIdle(): boolean {
    return this.#task === null && this.#world.machines.every(({ isLost }) => !isLost)
  }

  isManager(machine: RaftMachine): boolean {
    return this.#managers.has(machine)
  }

  demote(machine: RaftMachine): boolean {
    if (!this.#isChangePossible() || !this.#mayLose(machine)) return false
    return this.#begin([setRole(machine, 'worker')], () => void this.#managers.delete(machine))
  }

  promote(machine: RaftMachine): boolean {
    if (!this.#isChangePossible() || this.#managers.has(machine)) return false
    return this.#begin([setRole(machine, 'manager')], () => void this.#managers.add(machine))
  }

  /** Whether its disk may be damaged for good: the others are enough, and everybody knows of it. */
  mayLose(machine: RaftMachine): boolean {
    return this.#isChangePossible() && this.isIdle && this.#mayLose(machine) && this.#isSettled()
  }

  /** What the machine kept is of no use any more: it comes back as another node. */
  #replace(machine: RaftMachine): void {
    const old = idOf(machine.name)
    machine.renew()
    const remove: Change = { kind: 'delete', ref: { kind: 'node', id: old }, ifVersion: null }
    const role = this.#managers.has(machine) ? 'manager' : 'worker'
    this.#world.retarget()
    this.#begin([remove, createNode(machine.name, role)], () => machine.start())
  }

  /** In the middle of a joint change Raft takes no other one. */
  #isChangePossible(): boolean {
    return !this.#world.setting.isJoint && this.#task === null
  }

  #mayLose(machine: RaftMachine): boolean {
    return !this.#managers.has(machine) || this.#managers.size > managersMin
  }

  /** The leader, whoever it is, counts exactly the managers as voters. */
  #isSettled(): boolean {
    const voters = this.#world.leader()?.consensus?.voters() ?? []
    const managers = [...this.#managers].map(({ id }) => id)
    return voters.length === managers.length && managers.every((id) => voters.includes(id))
  }

  #begin(changes: readonly Change[], done: () => void): boolean {
    this.#task = { changes, done, request: `operator${++this.#tasks}` }
    return true
  }

  #work(): void {
    const lost = this.#world.machines.find(({ isLost }) => isLost)
    if (this.#task === null && lost !== undefined) this.#replace(lost)
    const [task, leader] = [this.#task, this.#world.leader()]
    if (task === null || leader === null) return
    const { request, changes } = task
    leader.whenRunning(() => {
      const proposed = leader.consensus?.propose({ request, atMs: 1, changes })
      proposed?.then(
        () => this.#finish(task),
        () => {
          // Tried again under the same request id, with whoever leads then.
        },
      )
    })
  }

  #finish(task: Task): void {
    if (this.#task !== task) return
    this.#task = null
    task.done()
  }
}

const setRole = ({ name }: RaftMachine, role: 'manager' | 'worker'): Change => ({
  kind: 'update',
  object: { kind: 'node', id: idOf(name), claims: [`name/node/${name}`], body: { name, role } },
  ifVersion: null,
})
