import { usage } from './command-error.ts'

const word = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs
const quoted = /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/gs

/** A shell's words, without its expansions: quotes and backslashes hold spaces. */
export function wordsOf(flag: string, text: string): readonly string[] {
  if (text.replace(word, '').trim() !== '') {
    throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'a quote or backslash is left open')
  }
  return [...text.matchAll(word)].map(([said]) => said.replace(quoted, unquoted))
}

const unquoted = (_all: string, double?: string, single?: string, escaped?: string): string =>
  double?.replace(/\\(["\\$`])/g, '$1') ?? single ?? escaped ?? ''

/** The fields of a line of comma-separated values: in quotes a comma is none. */
export function fieldsOf(flag: string, line: string): readonly string[] {
  const fields = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)]
  if (fields.map(([all]) => all).join('') !== line) {
    throw usage(`invalid ${flag} ${JSON.stringify(line)}`, 'a field is quoted as a whole')
  }
  return fields.map(([, inQuotes, plain]) => inQuotes?.replaceAll('""', '"') ?? plain ?? '')
}
