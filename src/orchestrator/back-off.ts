import type { TaskView } from '../model/task-view.ts'
import { ranForMs } from './task-times.ts'

/** A task that ran for this long was no quick failure, whatever ended it. */
const steadyMs = 60_000
/** So many quick failures in a row wait for the restart delay alone, as in Swarm. */
const patientFailures = 3
const firstExtraMs = 1_000
/** What makes a service fail is often mended from outside: it is tried once a minute at least. */
const extraLimitMs = 60_000

/** How many quick failures in a row a successor of this task looks back on. */
export function quickFailures(last: TaskView): number {
  const isFailure = last.state === 'failed' || last.state === 'rejected'
  return isFailure && ranForMs(last) < steadyMs ? (last.body.Restarts ?? 0) + 1 : 0
}

/** Beyond the restart delay: nothing for the first three, then 1 s, 2 s, 4 s … to a minute. */
export function extraDelayMs(failures: number): number {
  if (failures <= patientFailures) return 0
  return Math.min(extraLimitMs, firstExtraMs * 2 ** (failures - patientFailures - 1))
}
