import type { ContainerFacts } from '../model/container-facts.ts'

/** How a task ended, for people; Docker's words, which its users search for. */
export interface Ending {
  readonly state: 'complete' | 'shutdown' | 'failed' | 'rejected'
  readonly message: string
  readonly err: string
}

/** `service ps` shows it in one line. */
const maxErrLength = 500
/** Of SIGKILL. */
const killedExitCode = 137

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

/** Nobody here removed it: somebody did by hand, or its engine lost it. */
export const vanished: Ending = failed('its container is gone: somebody else removed it')

/** It ended although nobody asked it to; an engine that is removing it knows no code any more. */
export function endingOf(container: ContainerFacts): Ending {
  if (container.exitCode === null) return vanished
  if (container.exitCode === 0) return { state: 'complete', message: 'finished', err: '' }
  const reason = reasonOf(container)
  const suffix = reason === undefined ? '' : `: ${reason}`
  return failed(`task: non-zero exit (${container.exitCode})${suffix}`)
}

/** Engines miss what runs out of memory within milliseconds of its start. */
function reasonOf(container: ContainerFacts): string | undefined {
  const { isOutOfMemory, exitCode, memoryLimitBytes, lastLine } = container
  if (isOutOfMemory) return 'out of memory'
  if (exitCode !== killedExitCode || memoryLimitBytes === undefined) return lastLine
  const mebibytes = Math.round(memoryLimitBytes / 2 ** 20)
  return `killed, perhaps out of memory: its limit is ${mebibytes} MiB`
}
