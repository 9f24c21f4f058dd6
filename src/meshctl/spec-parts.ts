import type { Labels } from '../client/types.ts'
import { usage } from './command-error.ts'

/** `key=value`, or `key` for an empty value. */
export function pairs(flag: string, entries: readonly string[]): Labels {
  return Object.fromEntries(
    entries.map((entry): [string, string] => {
      const cut = entry.indexOf('=')
      if (cut === 0 || entry === '') throw usage(`invalid ${flag} ${JSON.stringify(entry)}`)
      return cut < 0 ? [entry, ''] : [entry.slice(0, cut), entry.slice(cut + 1)]
    }),
  )
}

/** A name alone takes the value that it has here, and none when it has none, as in docker. */
export function environmentEntry(
  entry: string,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  if (entry.startsWith('=') || entry === '') throw usage(`invalid --env ${JSON.stringify(entry)}`)
  if (entry.includes('=')) return [entry]
  const value = env[entry]
  return value === undefined ? [] : [`${entry}=${value}`]
}

export const given = <T extends object>(
  text: string | undefined,
  make: (text: string) => T,
): Partial<T> => (text === undefined ? {} : make(text))

export const filled = <Key extends string, Value>(
  key: Key,
  values: readonly Value[],
): { readonly [K in Key]?: readonly Value[] } =>
  values.length === 0 ? {} : ({ [key]: values } as { readonly [K in Key]: readonly Value[] })
