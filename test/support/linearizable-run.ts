import { SeededRandom } from '../../mesh/base/random.ts'
import { Cluster, type Daemon } from './daemon.ts'
import { checkLinearizable, type Verdict } from './linearizability.ts'
import { Nemesis, type FaultKind } from './nemesis.ts'
import { RegisterClient } from './register-client.ts'
import { RegisterWorkload } from './register-workload.ts'

export interface LinearizableRun {
  readonly block: string
  readonly seed: number
  readonly operations: number
  /** It goes on until then although there are enough operations: faults take their time. */
  readonly minMs: number
  readonly limitMs: number
  readonly kinds: readonly FaultKind[]
}

export interface LinearizableReport {
  readonly operations: number
  readonly unknown: number
  readonly durationMs: number
  readonly checkerMs: number
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly verdict: Verdict
}

const clients = 24
const checkerLimitMs = 60_000

/** Three real managers, clients that ask all of them, and a nemesis; then the checker's verdict. */
export async function runLinearizable(options: LinearizableRun): Promise<LinearizableReport> {
  const { seed, kinds } = options
  await using cluster = new Cluster(options.block)
  const daemons = await cluster.startManagers(3)
  const registers = new Map<Daemon, RegisterClient>(
    daemons.map((daemon) => [daemon, new RegisterClient(daemon.socketPath)]),
  )
  const random = new SeededRandom(seed)
  const workload = new RegisterWorkload({ daemons: [...registers.values()], clients, random })
  const isActive = (daemon: Daemon): Promise<boolean> =>
    registers.get(daemon)?.isActive() ?? Promise.resolve(false)
  const nemesis = new Nemesis({ daemons, isActive, kinds, random: new SeededRandom(seed + 1) })

  const startedMs = performance.now()
  const harming = nemesis.run()
  const working = workload.run(options).finally(() => nemesis.stop())
  await Promise.allSettled([working, harming])
  const durationMs = performance.now() - startedMs
  for (const register of registers.values()) register.close()
  await Promise.all([working, harming])

  const checkingMs = performance.now()
  const verdict = checkLinearizable(workload.history, { limitMs: checkerLimitMs })
  return {
    operations: workload.history.length,
    unknown: workload.unknownCount,
    durationMs,
    checkerMs: performance.now() - checkingMs,
    faults: nemesis.counts,
    verdict,
  }
}

export function describeRun(report: LinearizableReport, seed: number): string {
  const { operations, unknown, durationMs, checkerMs, faults } = report
  const harm = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`)
  return [
    `seed ${seed}: ${operations} operations in ${(durationMs / 1000).toFixed(1)} s`,
    `${unknown} of unknown outcome`,
    `faults: ${harm.join(', ')}`,
    `checked in ${checkerMs.toFixed(0)} ms`,
  ].join('; ')
}
