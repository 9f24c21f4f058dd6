import type { PlacementPreference } from '../client/types.ts'
import { usage } from './command-error.ts'

/** `spread=node.labels.zone`. */
export function parsePreference(text: string): PlacementPreference {
  const [, SpreadDescriptor] = /^spread=(\S+)$/.exec(text) ?? []
  if (SpreadDescriptor !== undefined) return { Spread: { SpreadDescriptor } }
  throw usage(
    `invalid placement preference ${JSON.stringify(text)}`,
    'write it as spread=node.labels.zone',
  )
}

export const samePreference = (one: PlacementPreference, other: PlacementPreference): boolean =>
  one.Spread?.SpreadDescriptor === other.Spread?.SpreadDescriptor
