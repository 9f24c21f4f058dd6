import { usage } from './command-error.ts'

/** The part of Go's templates that scripts use: fields, `json`, `upper`, `lower`, `len`, `index`. */
export interface Template {
  render(value: unknown): string
  /** Paths of plain fields in order, for the header of a table. */
  readonly fields: readonly string[]
}

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly action: Action }

interface Action {
  readonly source: string
  readonly path: string
  readonly evaluate: (root: unknown) => string
}

export function parseTemplate(text: string): Template {
  const pieces = cut(unescape(text))
  return {
    render: (value) =>
      pieces
        .map((piece) => (piece.kind === 'text' ? piece.text : piece.action.evaluate(value)))
        .join(''),
    fields: pieces.flatMap((piece) =>
      piece.kind === 'action' && piece.action.path !== '' ? [piece.action.path] : [],
    ),
  }
}

/** Shells hand `\t` over as two characters; docker reads them as one. */
const unescape = (text: string): string =>
  text.replaceAll('\\t', '\t').replaceAll('\\n', '\n').replaceAll('\\"', '"')

function cut(text: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (;;) {
    const open = text.indexOf('{{', at)
    if (open < 0) return [...pieces, { kind: 'text', text: text.slice(at) }]
    const close = text.indexOf('}}', open)
    if (close < 0) throw usage(`invalid --format: '{{' is not closed`)
    pieces.push({ kind: 'text', text: text.slice(at, open) })
    pieces.push({ kind: 'action', action: parseAction(text.slice(open + 2, close).trim()) })
    at = close + 2
  }
}

const fieldPattern = /^(?:\.|(?:\.[A-Za-z_]\w*)+)$/
const callPattern = /^(json|upper|lower|title|len|println)\s+(\.\S*)$/
const indexPattern = /^index\s+(\.\S*)\s+"([^"]*)"$/

function parseAction(source: string): Action {
  if (fieldPattern.test(source)) return action(source, source, (value) => show(value))
  const call = callPattern.exec(source)
  if (call?.[2] !== undefined && fieldPattern.test(call[2])) {
    return action(source, call[2], functions[call[1] ?? ''] ?? show)
  }
  const index = indexPattern.exec(source)
  if (index?.[1] !== undefined && fieldPattern.test(index[1])) {
    const key = index[2] ?? ''
    return action(source, index[1], (value) => (isMap(value) ? show(value[key] ?? '') : ''))
  }
  throw usage(
    `invalid --format: {{${source}}} is not understood`,
    'use {{.Field}}, {{.A.B}}, {{json .}}, upper, lower, len or index',
  )
}

const functions: Readonly<Record<string, (value: unknown) => string>> = {
  json: (value) => JSON.stringify(value),
  upper: (value) => show(value).toUpperCase(),
  lower: (value) => show(value).toLowerCase(),
  title: (value) => show(value).replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
  len: (value) => String(isMap(value) ? Object.keys(value).length : show(value).length),
  println: (value) => `${show(value)}\n`,
}

function action(source: string, path: string, finish: (value: unknown) => string): Action {
  const names = path.split('.').filter((name) => name !== '')
  const evaluate = (root: unknown): string => finish(names.reduce(step(source), root))
  return { source, path: names.join('.'), evaluate }
}

const step =
  (source: string) =>
  (value: unknown, name: string): unknown => {
    if (isMap(value) && Object.hasOwn(value, name)) return value[name]
    const known = isMap(value) ? Object.keys(value).slice(0, 20).join(', ') : 'none'
    throw usage(`--format: {{${source}}}: there is no field ${name}`, `fields here: ${known}`)
  }

/** As Go prints values: lists in brackets, maps as `map[key:value]`. */
function show(value: unknown): string {
  if (value === null || value === undefined) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  if (typeof value === 'string') return value
  if (!isMap(value)) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return `map[${entries.map(([key, inner]) => `${key}:${show(inner)}`).join(' ')}]`
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
