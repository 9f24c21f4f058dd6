import { RaftClients } from './raft-clients.ts'
import { RaftFaults } from './raft-faults.ts'
import { RaftOperator } from './raft-operator.ts'
import { RaftWorld, settingOf } from './raft-world.ts'
import type { Played } from './seed-search.ts'

/** How long things go wrong in one seed. */
export const faultsMs: number = 4 * 60_000
/** How soon after the last fault everybody must take part again. */
const progressMs = 30_000
const stepMs = 1000

export interface Outcome extends Played {
  readonly agreed: number
  readonly reads: number
  readonly writes: number
}

/** One seed from its founding to its end, which comes early when a promise is broken. */
export async function simulateRaft(seed: number, forMs: number = faultsMs): Promise<Outcome> {
  const world = new RaftWorld(settingOf(seed))
  const clients = new RaftClients(world)
  const operator = new RaftOperator(world)
  const faults = new RaftFaults(world, { operator, clients })
  world.found()
  clients.start()
  operator.start()
  await world.clock.run(3000)
  faults.start()
  while (world.nowMs < forMs && world.violations.length === 0) await world.clock.run(stepMs)
  faults.heal()
  if (world.violations.length === 0) await checkProgress(world, { clients, operator })
  clients.stop()
  operator.stop()
  return {
    seed,
    simulatedMs: world.nowMs,
    elections: world.checker.elections,
    agreed: world.checker.agreedIndex,
    reads: clients.checker.reads,
    writes: clients.checker.writes,
    faults: world.tally,
    trace: world.trace.hash,
    violations: world.violations,
  }
}

/** With all faults mended: one leader, every manager writes and reads, and all hold the same. */
async function checkProgress(
  world: RaftWorld,
  { clients, operator }: { clients: RaftClients; operator: RaftOperator },
): Promise<void> {
  const managers = () => world.machines.filter((machine) => operator.isManager(machine))
  const isWhole = await world.clock.runUntil(
    () => operator.isIdle && managers().every(({ consensus }) => consensus?.leader().leader),
    progressMs,
    stepMs,
  )
  if (!isWhole) return world.report('progress', 'no leader that every manager knows')
  clients.stop()
  for (const machine of managers()) {
    let isDone = false
    clients.probe(machine).then(
      (isAnswered) => {
        isDone = isAnswered
      },
      (error: unknown) => world.report('progress', `${machine.name}: ${String(error)}`),
    )
    await world.clock.runUntil(() => isDone, progressMs, stepMs)
    if (!isDone) return world.report('progress', `${machine.name} answers neither write nor read`)
  }
}
