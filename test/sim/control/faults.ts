import { unreachable } from '../../../mesh/base/assert.ts'
import { shuffled } from '../../../mesh/base/random.ts'
import type { ControlMachine } from './machine.ts'
import type { RoughEngine } from './rough-engine.ts'
import type { ControlWorld } from './world.ts'

const wounds = [
  'crash',
  'crash',
  'power',
  'engine down',
  'engine hangs',
  'registry silent',
  'memory shrinks',
] as const

const strokes = [
  'partition',
  'partition',
  'leader replaced',
  'leader replaced',
  'answers lost',
  'container dies',
  'container dies',
  'container removed',
] as const

/** Most of the machines stay whole: what is to be seen is how the rest copes. */
const maxWounded = 2

/** Breaks things, and mends them a while later. */
export class Faults {
  readonly #world: ControlWorld
  readonly #wounded = new Map<ControlMachine, () => void>()
  #isOver = false

  constructor(world: ControlWorld) {
    this.#world = world
  }

  start(): void {
    const { clock, random } = this.#world
    clock.after(500 + random.below(4000), () => {
      if (this.#isOver) return
      this.#strike()
      this.start()
    })
  }

  heal(): void {
    this.#isOver = true
    for (const mend of this.#wounded.values()) mend()
    this.#wounded.clear()
    const { managers, reach } = this.#world
    managers.lossPercent = 0
    reach.heal()
  }

  #strike(): void {
    const { random } = this.#world
    if (random.below(2) === 0) this.#wound(this.#world.pick(wounds))
    else this.#stroke(this.#world.pick(strokes))
  }

  #stroke(kind: (typeof strokes)[number]): void {
    const { managers, random, clock, tally } = this.#world
    tally.count(kind)
    switch (kind) {
      case 'partition':
        return this.#partition()
      case 'leader replaced':
        return managers.replaceLeader()
      case 'answers lost':
        managers.lossPercent = 30
        return void clock.after(5000 + random.below(10_000), () => (managers.lossPercent = 0))
      case 'container dies':
        return this.#hitContainer(({ engine }, id) => engine.exit(id, random.below(2)))
      case 'container removed':
        return this.#hitContainer(({ engine }, id) => engine.removeByHand(id))
      default:
        return unreachable(kind)
    }
  }

  #partition(): void {
    const { reach, machines, random, clock } = this.#world
    if (!reach.isWhole) return
    const size = 1 + random.below(2)
    reach.cutOff(
      shuffled(machines, random)
        .slice(0, size)
        .map(({ id }) => id),
    )
    clock.after(300 + random.below(25_000), () => reach.heal())
  }

  #hitContainer(hit: (machine: ControlMachine, id: string) => void): void {
    const machine = this.#world.pick(this.#world.machines)
    const victim = machine.engine.running[0]
    if (victim !== undefined) hit(machine, victim.id)
  }

  #wound(kind: (typeof wounds)[number]): void {
    const { machines, random, clock, tally } = this.#world
    const whole = machines.filter((machine) => !this.#wounded.has(machine))
    if (this.#wounded.size >= maxWounded) return
    tally.count(kind)
    const machine = this.#world.pick(whole)
    const cure = hurt(machine, kind)
    const mend = (): void => {
      if (this.#wounded.get(machine) !== mend) return
      this.#wounded.delete(machine)
      cure()
    }
    this.#wounded.set(machine, mend)
    clock.after(200 + random.below(20_000), mend)
  }
}

/** What an engine has is read when it comes back. */
function restartWith(engine: RoughEngine, memoryBytes: number): void {
  engine.resources.memoryBytes = memoryBytes
  engine.restart()
}

/** Returns what mends it. */
function hurt(machine: ControlMachine, kind: (typeof wounds)[number]): () => void {
  const { engine } = machine
  switch (kind) {
    case 'crash':
      machine.crash()
      return () => machine.start()
    case 'power':
      machine.losePower()
      return () => machine.start()
    case 'engine down':
      engine.setTrouble('down')
      return () => engine.setTrouble('none')
    case 'engine hangs':
      engine.setTrouble('hanging')
      return () => engine.setTrouble('none')
    case 'registry silent':
      engine.isRegistrySilent = true
      return () => (engine.isRegistrySilent = false)
    case 'memory shrinks':
      restartWith(engine, 1.5e9)
      return () => restartWith(engine, 4e9)
    default:
      return unreachable(kind)
  }
}
