import type { ContainerFacts } from '../model/container-facts.ts'
import type { DesiredState, TaskRecord } from '../model/docker.ts'

export type TaskInput =
  | { readonly kind: 'desired'; readonly desired: DesiredState }
  /** The catalog no longer has it: nothing of it may stay. */
  | { readonly kind: 'forgotten' }
  /** The daemon stops, and its tasks with it. */
  | { readonly kind: 'daemon-stops' }
  /** The engine was read from the start: at ours, and at its return. Unfinished effects are lost. */
  | { readonly kind: 'engine-read'; readonly container: ContainerFacts | null }
  /** Something happened to the container; null when there is none. */
  | { readonly kind: 'container-seen'; readonly container: ContainerFacts | null }
  | { readonly kind: 'created'; readonly container: ContainerFacts | null }
  /** How the transfer of its image comes on. */
  | { readonly kind: 'progress'; readonly text: string }
  /** `mayPass`: the same may go better a little later. */
  | { readonly kind: 'create-failed'; readonly because: string; readonly mayPass: boolean }
  | { readonly kind: 'retry-due' }
  | { readonly kind: 'started'; readonly container: ContainerFacts | null }
  | { readonly kind: 'start-failed'; readonly because: string }
  /** One of its target ports accepted a connection. */
  | { readonly kind: 'port-accepted' }
  /** Nobody sends it new connections, and the open ones are gone or were given up. */
  | { readonly kind: 'drained' }
  | { readonly kind: 'stopped'; readonly container: ContainerFacts | null }
  | { readonly kind: 'removed' }
  | { readonly kind: 'tick' }

/** Performed in order. Of `create`, `start`, `drain`, `stop` and `remove` one at most is under way. */
export type TaskEffect =
  | { readonly kind: 'create' }
  /** Nobody wants it any more: what it waits for is given up, and `create-failed` follows. */
  | { readonly kind: 'abandon-create' }
  /** Answered by `retry-due`. */
  | { readonly kind: 'retry-create'; readonly delayMs: number }
  | { readonly kind: 'start'; readonly containerId: string }
  /** Until one accepts, with a tick at every try; then `port-accepted`. */
  | { readonly kind: 'probe-ports' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop'; readonly containerId: string }
  | { readonly kind: 'remove'; readonly containerId: string }
  | { readonly kind: 'report'; readonly report: TaskReport }
  /** Nothing is left of it: no container, and no record should be. */
  | { readonly kind: 'forget' }

/** What the machine knows of a record; its driver adds whose it is and when it was. */
export type TaskReport = Omit<TaskRecord, 'service' | 'generation' | 'at'>
