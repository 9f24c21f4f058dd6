import { badRequest } from './api-error.ts'

/** Docker's filters: values of one key are alternatives, keys must all match. */
export type Filters = ReadonlyMap<string, readonly string[]>

/** Both forms occur: `{"name":{"web":true}}` and `{"name":["web"]}`. */
export function parseFilters(query: URLSearchParams, known: readonly string[]): Filters {
  const text = query.get('filters') ?? ''
  if (text === '') return new Map()
  const parsed = parseObject(text)
  const unknown = Object.keys(parsed).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw badRequest(`invalid filter '${unknown}'`, `known here: ${known.join(', ')}`)
  }
  return new Map(Object.entries(parsed).map(([key, value]) => [key, valuesOf(key, value)]))
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Record<string, unknown>
    }
  } catch {
    // Said below, with the form that is expected.
  }
  throw badRequest('invalid filters', 'they must be a JSON object of lists or of maps to true')
}

function valuesOf(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([name, isOn]) => (isOn === true ? [name] : []))
  }
  throw badRequest(`invalid filter '${key}'`, 'its values must be a list, or a map to true')
}

/** True when the key was not asked for, or one of its values fits. */
export function passes(filters: Filters, key: string, fits: (value: string) => boolean): boolean {
  const values = filters.get(key)
  return values === undefined || values.length === 0 || values.some(fits)
}

/** `key` or `key=value`; all that were given must match, as docker has it for labels. */
export function passesLabels(
  filters: Filters,
  key: string,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (filters.get(key) ?? []).every((wanted) => {
    const cut = wanted.indexOf('=')
    if (cut < 0) return Object.hasOwn(labels, wanted)
    const name = wanted.slice(0, cut)
    return Object.hasOwn(labels, name) && labels[name] === wanted.slice(cut + 1)
  })
}
