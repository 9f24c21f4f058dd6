import type { ContainerFacts } from './task-io.ts'

/** How a task ended, for people; Docker's words, which its users search for. */
export interface Ending {
  readonly state: 'complete' | 'shutdown' | 'failed' | 'rejected'
  readonly message: string
  readonly err: string
}

/** `service ps` shows it in one line. */
const maxErrLength = 500

export const shutdown: Ending = { state: 'shutdown', message: 'shutdown', err: '' }

export const rejected = (because: string): Ending => ({
  state: 'rejected',
  message: 'preparing',
  err: because.slice(0, maxErrLength),
})

export const failed = (because: string): Ending => ({
  state: 'failed',
  message: 'started',
  err: because.slice(0, maxErrLength),
})

/** Its health check said so too often. */
export const unhealthy = ({ healthOutput }: ContainerFacts): Ending =>
  failed(`unhealthy container${healthOutput === undefined ? '' : `: ${healthOutput}`}`)

/** It ended although nobody asked it to. */
export function endingOf(container: ContainerFacts): Ending {
  if (container.exitCode === 0) return { state: 'complete', message: 'finished', err: '' }
  const reason = container.isOutOfMemory ? 'out of memory' : container.lastLine
  const suffix = reason === undefined ? '' : `: ${reason}`
  return failed(`task: non-zero exit (${container.exitCode ?? 'unknown'})${suffix}`)
}
