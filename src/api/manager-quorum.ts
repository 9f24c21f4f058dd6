import type { Node } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import { all, type Found } from './lookup.ts'
import { isUp } from './render.ts'

/** The managers that stay when one goes. */
export interface RemainingManagers {
  readonly total: number
  /** How many of them must agree on every change. */
  readonly needed: number
  /** Their names. */
  readonly reachable: readonly string[]
  readonly unreachable: readonly string[]
}

export function remainingManagers(without: string, view: ClusterView): RemainingManagers {
  const others = all<Node>(view.catalog, 'node').filter(
    ({ id, body }) => body.Spec.Role === 'manager' && id !== without,
  )
  return {
    total: others.length,
    needed: Math.floor(others.length / 2) + 1,
    reachable: names(others.filter((manager) => isUp(manager, view))),
    unreachable: names(others.filter((manager) => !isUp(manager, view))),
  }
}

const names = (found: readonly Found<Node>[]): string[] =>
  found.map(({ body }) => body.Spec.Name || body.Description.Hostname).sort()

export const canAgree = ({ reachable, needed }: RemainingManagers): boolean =>
  reachable.length >= needed

/** For people: `of the 2 managers that stay 2 must agree, and 1 can be reached (n2; not n3)`. */
export function arithmetic(remaining: RemainingManagers): string {
  const { total, needed, reachable, unreachable } = remaining
  const parts = [
    reachable.join(', '),
    unreachable.length > 0 ? `not ${unreachable.join(', ')}` : '',
  ]
  const who = parts.filter((part) => part !== '').join('; ')
  return `of the ${total} managers that stay ${needed} must agree, and ${reachable.length} can be reached (${who})`
}
