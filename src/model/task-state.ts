import type { DesiredState, TaskState } from './docker.ts'

/** Swarm's order, with its numbers; a task only moves forward. */
const order: Readonly<Record<TaskState, number>> = {
  new: 0,
  pending: 64,
  assigned: 192,
  accepted: 256,
  preparing: 320,
  ready: 384,
  starting: 448,
  running: 512,
  complete: 576,
  shutdown: 640,
  failed: 704,
  rejected: 768,
  remove: 800,
  orphaned: 832,
}

/** Negative when `left` comes before `right` in a task's life. */
export const compareTaskStates = (left: TaskState, right: TaskState): number =>
  order[left] - order[right]

/** It will never run again; nothing of it is left but its record. */
export const hasEnded = (state: TaskState): boolean => order[state] > order.running

/** It is meant to run, now or after the restart delay. */
export const isWanted = (desired: DesiredState): boolean =>
  desired === 'ready' || desired === 'running'
