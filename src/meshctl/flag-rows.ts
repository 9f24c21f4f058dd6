import type { Option } from 'commander'
import type { ServiceSpec } from '../client/types.ts'
import { CommandError, exitCodes } from './command-error.ts'
import { type Given, onOff, several, single } from './flag.ts'
import { pairs } from './spec-parts.ts'
import { type Path, valueAt, withValue } from './spec-path.ts'

export type Verb = 'create' | 'update'

/**
 * What one flag, or a few that go together, make of a spec. Creating a service is changing an empty
 * one; only lists are spelt differently: `--env` then, `--env-add` and `--env-rm` later.
 */
export interface FlagRow {
  readonly options: (verb: Verb) => readonly Option[]
  readonly apply: (spec: ServiceSpec, given: Given) => ServiceSpec
}

/** Takes the flag's name too, to say what is wrong with the value. */
export type Parse<T> = (flag: string, text: string) => T

export const asText: Parse<string> = (_flag, text) => text

interface ValueRow {
  readonly at: Path
  readonly parse: Parse<unknown>
  readonly only?: Verb
  /** What is filled in around it where there was nothing. */
  readonly basis?: { readonly at: Path; readonly defaults: object }
}

/** `--hostname NAME`: the flag's value stands in one place of the spec. */
export function value(flags: string, help: string, row: ValueRow): FlagRow {
  const { at, parse, only, basis } = row
  const name = nameOf(flags)
  return {
    options(verb) {
      if (only !== undefined && only !== verb) return []
      // What no flag names stays as it is.
      return [single(flags, verb === 'create' ? help : help.replace(/ \(default .*\)$/, ''))]
    },
    apply(spec, given) {
      const text = given.text(name)
      if (text === undefined) return spec
      const hasBasis = basis === undefined || valueAt(spec, basis.at) !== undefined
      const around = hasBasis ? spec : withValue(spec, basis.at, basis.defaults)
      return withValue(around, at, parse(`--${name}`, text))
    },
  }
}

/** `--tty`, or `--tty=false`. */
export function toggle(flags: string, help: string, at: Path): FlagRow {
  const name = nameOf(flags)
  return {
    options: () => onOff(flags, help),
    apply: (spec, given) => (given.has(name) ? withValue(spec, at, given.isOn(name)) : spec),
  }
}

export interface ListChange<Item> {
  readonly before: readonly Item[]
  readonly added: readonly Item[]
  /** As the command line says it. */
  readonly removed: readonly string[]
}

interface ListRow<Item> {
  readonly at: Path
  /** What is written behind `-rm`. */
  readonly removedBy: string
  readonly parse: (flag: string, text: string, given: Given) => readonly Item[]
  /** Of what `create` is told. */
  readonly first?: (items: readonly Item[]) => readonly Item[]
  readonly merge: (change: ListChange<Item>) => readonly Item[]
}

/** `--mount M` when it is created, `--mount-add M` and `--mount-rm TARGET` later. */
export function list<Item>(flags: string, noun: string, row: ListRow<Item>): FlagRow {
  const { at, removedBy, parse, first = (items) => items, merge } = row
  const name = nameOf(flags)
  const itemsOf = (flag: string, given: Given): readonly Item[] =>
    (given.texts(flag) ?? []).flatMap((text) => parse(`--${flag}`, text, given))
  return {
    options: (verb) => listOptions({ flags, noun, removedBy, verb }),
    apply(spec, given) {
      if (given.has(name)) return withValue(spec, at, first(itemsOf(name, given)))
      if (!given.has(`${name}-add`, `${name}-rm`)) return spec
      const before = (valueAt(spec, at) ?? []) as readonly Item[]
      const added = itemsOf(`${name}-add`, given)
      return withValue(spec, at, merge({ before, added, removed: given.texts(`${name}-rm`) ?? [] }))
    },
  }
}

/** A list whose items are `key=value` and stand in the spec as a map. */
export function map(flags: string, noun: string, at: Path): FlagRow {
  const name = nameOf(flags)
  return {
    options: (verb) => listOptions({ flags, noun, removedBy: '<key>', verb }),
    apply(spec, given) {
      if (!given.has(name, `${name}-add`, `${name}-rm`)) return spec
      const before = (valueAt(spec, at) ?? {}) as Readonly<Record<string, string>>
      const removed = given.texts(`${name}-rm`) ?? []
      const kept = Object.entries(before).filter(([key]) => !removed.includes(key))
      const added = { ...pairsOf(name, given), ...pairsOf(`${name}-add`, given) }
      return withValue(spec, at, { ...Object.fromEntries(kept), ...added })
    },
  }
}

const pairsOf = (flag: string, given: Given): Readonly<Record<string, string>> =>
  pairs(`--${flag}`, given.texts(flag) ?? [])

/** Flags that docker has and that nothing would come of: said, rather than ignored. */
export function refused(...names: readonly string[]): FlagRow {
  return {
    options: () => names.map((name) => several(`--${name} <value>`, '').hideHelp()),
    apply(spec, given) {
      const name = names.find((one) => given.has(one))
      if (name === undefined) return spec
      throw noEffectYet(`--${name}`)
    },
  }
}

export const noEffectYet = (what: string): CommandError =>
  new CommandError(exitCodes.error, { what: `${what} has no effect yet` })

interface ListOptions {
  readonly flags: string
  readonly noun: string
  readonly removedBy: string
  readonly verb: Verb
}

function listOptions({ flags, noun, removedBy, verb }: ListOptions): readonly Option[] {
  if (verb === 'create') return [several(flags, noun)]
  const [, argument = ''] = / (<.*)$/.exec(flags) ?? []
  const name = nameOf(flags)
  return [
    several(`--${name}-add ${argument}`, `add or change ${noun}`),
    several(`--${name}-rm ${removedBy}`, `remove ${noun.replace(/(:| such as) .*/, '')}`),
  ]
}

const nameOf = (flags: string): string => /--([a-z-]+)/.exec(flags)?.[1] ?? ''
