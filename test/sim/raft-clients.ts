import { isFault } from '../../mesh/base/mesh-error.ts'
import type { ApplyResult, Transaction } from '../../mesh/catalog/types.ts'
import type { Consensus } from '../../mesh/node/consensus.ts'
import { registerObject, registers } from './raft-founding.ts'
import type { RaftMachine } from './raft-machine.ts'
import type { RaftWorld } from './raft-world.ts'
import { RegisterChecker, type Operation } from './register-checker.ts'

const clients = 4
/** A client that has heard nothing for so long asks somebody else. */
const patienceMs = 6000
const triesMax = 4
/** Between two operations of a client, at most. */
const usualThinkMs = 3000
const rushThinkMs = 200

interface Write {
  readonly operation: Operation
  readonly transaction: Transaction
  readonly value: string
  result: ApplyResult | null
  tries: number
}

/** Clients that read and write a few registers, one operation at a time each, and judge the answers. */
export class RaftClients {
  readonly #world: RaftWorld
  readonly checker: RegisterChecker
  #written = 0
  #isStopped = false
  #thinkMs = usualThinkMs

  constructor(world: RaftWorld) {
    this.#world = world
    this.checker = new RegisterChecker(world.report)
  }

  start(): void {
    for (let at = 0; at < clients; at++) this.#think()
  }

  stop(): void {
    this.#isStopped = true
  }

  rush(ms: number): void {
    this.#thinkMs = rushThinkMs
    this.#world.clock.after(ms, () => {
      this.#thinkMs = usualThinkMs
    })
  }

  /** A write through this machine; true once it is applied there. */
  async probe(machine: RaftMachine): Promise<boolean> {
    const write = this.#newWrite()
    const result = await machine.consensus?.propose(write.transaction)
    if (result === undefined) return false
    this.#acknowledged(write, result)
    for (const key of registers) {
      const operation = this.checker.begin(key)
      await machine.consensus?.barrier()
      if (machine.consensus !== null) this.#readHere(machine.consensus, operation)
    }
    return true
  }

  #think(): void {
    const { clock, random } = this.#world
    clock.after(1 + random.below(this.#thinkMs), () => {
      if (!this.#isStopped) this.#act()
    })
  }

  #act(): void {
    const { random } = this.#world
    const machine = this.#machine()
    if (machine === null) return this.#think()
    if (random.below(100) < 55) this.#read(machine)
    else this.#write(machine, this.#newWrite())
  }

  /** Clients find leaders more often than others, and the wrong one as well. */
  #machine(): RaftMachine | null {
    const { random, machines } = this.#world
    const running = machines.filter(({ consensus }) => consensus !== null)
    if (running.length === 0) return null
    const leading = running.filter(({ consensus }) => consensus?.leader().isSelf === true)
    return this.#world.pick(leading.length > 0 && random.below(2) === 0 ? leading : running)
  }

  #newWrite(): Write {
    const { clock } = this.#world
    const key = this.#world.pick(registers)
    const value = `v${++this.#written}`
    const object = registerObject(key, value)
    const changes = [{ kind: 'update', object, ifVersion: null }] as const
    return {
      operation: this.checker.begin(key),
      transaction: { request: value, atMs: clock.nowMs(), changes },
      value,
      result: null,
      tries: 0,
    }
  }

  #read(machine: RaftMachine): void {
    const operation = this.checker.begin(this.#world.pick(registers))
    this.#until(machine, {
      call: async () => {
        const { consensus } = machine
        await consensus?.barrier()
        if (consensus !== null) this.#readHere(consensus, operation)
      },
      next: () => this.#think(),
    })
  }

  #readHere(consensus: Consensus, operation: Operation): void {
    const object = consensus.catalog().get('service', operation.key)
    if (object === undefined) return this.#world.report('linearizable reads', 'a register is gone')
    this.#world.trace.note(`read ${operation.key} ${object.version}`)
    this.checker.read(operation, object.version, (object.body as { value: string }).value)
  }

  #write(machine: RaftMachine, write: Write): void {
    write.tries++
    const { random } = this.#world
    this.#until(machine, {
      call: async () => {
        const { consensus } = machine
        if (consensus === null) return
        const result = await consensus.propose(write.transaction)
        this.#acknowledged(write, result)
        // Some answers get lost on their way: the client asks again, perhaps much later.
        if (random.below(8) === 0) this.#repeatLater(write)
      },
      next: () => this.#think(),
      failed: (error) => {
        if (isFault(error, 'raft/no-leader')) this.#think()
        else this.#again(write)
      },
    })
  }

  #acknowledged(write: Write, result: ApplyResult): void {
    const { report, trace } = this.#world
    const { operation, value } = write
    trace.note(`wrote ${value} ${result.index}`)
    if (result.kind === 'refused') return report('writes are not refused', result.refusal.code)
    if (write.result === null) this.checker.wrote(operation, result.index, value)
    else if (write.result.index !== result.index) {
      report('applied once', `${value} at ${write.result.index} and ${result.index}`)
    }
    write.result = result
  }

  #again(write: Write): void {
    const machine = this.#machine()
    if (this.#isStopped || machine === null || write.tries >= triesMax) this.#think()
    else this.#write(machine, write)
  }

  #repeatLater(write: Write): void {
    const { clock, random } = this.#world
    clock.after(random.below(20_000), () => {
      const machine = this.#machine()
      if (this.#isStopped || machine === null) return
      this.#until(machine, {
        call: async () => {
          const result = await machine.consensus?.propose(write.transaction)
          if (result !== undefined) this.#acknowledged(write, result)
        },
        next: () => {},
      })
    })
  }

  /** Calls a process, which may be paused or end without an answer. */
  #until(
    machine: RaftMachine,
    {
      call,
      next,
      failed = next,
    }: { call: () => Promise<void>; next: () => void; failed?: (error: unknown) => void },
  ): void {
    let isOver = false
    const once = (act: () => void): void => {
      if (isOver) return
      isOver = true
      cancel()
      act()
    }
    const cancel = this.#world.clock.after(patienceMs, () => once(() => failed(null)))
    machine.whenRunning(() => {
      call().then(
        () => once(next),
        (error: unknown) => once(() => failed(error)),
      )
    })
  }
}
