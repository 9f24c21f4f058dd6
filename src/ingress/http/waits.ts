import type { ListenerOptions } from '../../routing/route-table.ts'

/** What a request on its way may wait for. */
export type WaitingFor = 'task' | 'body' | 'room' | 'answer' | 'client' | 'answer-body'

/** Beyond what `Keep-Alive` promises: a request that is on its way meets an open connection. */
const keepAliveGraceMs = 2000
const defaultIdleMs = 3_600_000

/** A client that has said its last may listen, or be gone; as long as it takes bytes it is there. */
const halfClosedQuietMs = 1000
const endingIdleMs = 1000

/** How long a connection may be without a request. */
export function idleWaitMs(
  options: ListenerOptions,
  given: { readonly isNew: boolean; readonly isEnding: boolean },
): number {
  if (given.isEnding) return endingIdleMs
  return given.isNew ? options.headTimeoutMs : options.keepAliveTimeoutMs + keepAliveGraceMs
}

/** How long nothing may pass on a connection that is the task's by now. */
export function joinedWaitMs({ idleTimeoutMs }: ListenerOptions): number {
  return idleTimeoutMs ?? defaultIdleMs
}

/** A client that has said its last gets less. */
export function lastWaitMs(options: ListenerOptions, waitsFor: WaitingFor): number {
  return Math.min(exchangeWaitMs(options, waitsFor), halfClosedQuietMs)
}

export function exchangeWaitMs(options: ListenerOptions, waitsFor: WaitingFor): number {
  switch (waitsFor) {
    case 'task':
      // The search has limits of its own.
      return Number.POSITIVE_INFINITY
    case 'body':
    case 'client':
      return options.bodyTimeoutMs
    case 'room':
    case 'answer':
      return options.answerTimeoutMs
    case 'answer-body':
      return joinedWaitMs(options)
  }
}
