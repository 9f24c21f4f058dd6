import type { ServiceSpec } from '../client/types.ts'
import { several, type Given } from './flag.ts'
import type { FlagRow } from './flag-rows.ts'
import { container, valueAt, withValue } from './spec-path.ts'

const added = container('CapabilityAdd')
const dropped = container('CapabilityDrop')

/**
 * Two flags that undo one another: what is added and had been dropped is no longer dropped, and the
 * other way round. RESET forgets what was there.
 */
export const capabilityRow: FlagRow = {
  options: () => [
    several('--cap-add <capability>', 'add a Linux capability'),
    several('--cap-drop <capability>', 'drop a Linux capability'),
  ],
  apply(spec, given) {
    if (!given.has('cap-add', 'cap-drop')) return spec
    const toAdd = said(given, 'cap-add')
    const toDrop = said(given, 'cap-drop')
    const adds = toAdd.delete('RESET') ? new Set<string>() : listed(spec, added)
    const drops = toDrop.delete('RESET') ? new Set<string>() : listed(spec, dropped)
    for (const one of toDrop) if (!toAdd.has(one) && !adds.delete(one)) drops.add(one)
    for (const one of toAdd) if (!drops.delete(one)) adds.add(one)
    for (const one of adds) drops.delete(one)
    return withValue(withValue(spec, added, sorted(adds)), dropped, sorted(drops))
  },
}

const said = (given: Given, flag: string): Set<string> =>
  new Set((given.texts(flag) ?? []).map(capability))

const listed = (spec: ServiceSpec, at: readonly string[]): Set<string> =>
  new Set(((valueAt(spec, at) ?? []) as readonly string[]).map(capability))

/** All of them says more than any of them. */
const sorted = (names: ReadonlySet<string>): readonly string[] =>
  names.has('ALL') ? ['ALL'] : [...names].toSorted()

/** As docker writes them: upper case, with their prefix. */
function capability(text: string): string {
  const name = text.trim().toUpperCase()
  return ['ALL', 'RESET'].includes(name) || name.startsWith('CAP_') ? name : `CAP_${name}`
}
