import type { Random } from './random.ts'

/** A machine in the cluster: 25 lower-case base-36 characters, drawn once, never used again. */
export type NodeId = string & { readonly __brand: 'NodeId' }

/** Managers agree on the service table; workers only run tasks. */
export type NodeRole = 'manager' | 'worker'

const idLength = 25
/** Characters that one draw gives: asking for randomness costs more than what is asked for. */
const drawnAtOnce = 5
const idPattern = /^[0-9a-z]{25}$/

/** A fresh 25-character base-36 id, the form that Swarm gives to every object. */
export function drawId(random: Random): string {
  let id = ''
  while (id.length < idLength) {
    id += random
      .below(36 ** drawnAtOnce)
      .toString(36)
      .padStart(drawnAtOnce, '0')
  }
  return id
}

export const isId = (text: string): boolean => idPattern.test(text)

/** Marks a string as a node id; callers have checked it (`isId`) or drawn it. */
export const nodeId = (text: string): NodeId => text as NodeId
