/**
 * Reads the data-driven test format: a command line, an optional input below it, `----`, the
 * expected output up to a blank line. Output that itself has blank lines stands between doubled
 * `----` lines. Lines that begin with `#` between cases are comments.
 */
export interface Argument {
  readonly key: string
  readonly values: readonly string[]
}

export interface Case {
  /** Where the command stands in its file, from 1. */
  readonly line: number
  readonly command: string
  readonly args: readonly Argument[]
  readonly input: string
  readonly expected: string
}

const separator = '----'

export function parseCases(text: string): Case[] {
  const lines = text.split('\n')
  const cases: Case[] = []
  let at = 0
  while (at < lines.length) {
    const first = lines[at] ?? ''
    if (first.trim() === '' || first.startsWith('#')) {
      at++
      continue
    }
    const start = at
    let directive = first.trim()
    while (directive.endsWith('\\')) directive = `${directive.slice(0, -1)} ${lines[++at]?.trim()}`
    const end = lines.indexOf(separator, at)
    if (end < 0) throw new Error(`line ${start + 1}: no ---- after ${first}`)
    const input = lines.slice(at + 1, end).join('\n')
    const { expected, next } = readExpected(lines, end + 1)
    const [command = '', ...args] = splitWords(directive)
    cases.push({ line: start + 1, command, args: args.map(parseArgument), input, expected })
    at = next
  }
  return cases
}

function readExpected(lines: readonly string[], from: number): { expected: string; next: number } {
  if (lines[from] === separator) {
    const end = lines.findIndex(
      (line, at) => at > from && line === separator && lines[at + 1] === separator,
    )
    if (end < 0) throw new Error(`line ${from}: the doubled ---- has no end`)
    return { expected: lines.slice(from + 1, end).join('\n'), next: end + 2 }
  }
  const blank = lines.indexOf('', from)
  const end = blank < 0 ? lines.length : blank
  return { expected: lines.slice(from, end).join('\n'), next: end + 1 }
}

/** At blanks, except inside of parentheses. */
const splitWords = (line: string): string[] => line.match(/(?:\([^)]*\)|[^\s(])+/g) ?? []

function parseArgument(word: string): Argument {
  const equals = word.indexOf('=')
  if (equals < 0) return { key: word, values: [] }
  const value = word.slice(equals + 1)
  const isList = value.startsWith('(') && value.endsWith(')')
  const values = (isList ? value.slice(1, -1) : value).split(',').map((item) => item.trim())
  return { key: word.slice(0, equals), values: values.filter((item) => item !== '') }
}
