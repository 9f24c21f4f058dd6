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

export const without = (items: readonly string[], removed: readonly string[]): string[] =>
  items.filter((item) => !removed.includes(item))

export function oneOf(flag: string, text: string, words: readonly string[]): string {
  if (words.includes(text)) return text
  throw usage(`invalid ${flag} ${text}`, `use ${words.join(' or ')}`)
}
