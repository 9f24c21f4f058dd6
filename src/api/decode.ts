import * as z from 'zod'
import { ApiError, badRequest, notYet } from './api-error.ts'

/**
 * Untrusted JSON → a value of the schema's type. Keys are matched as Go does it, without regard to
 * case, and null counts as absent. Fields that Docker has and meshd does not act on yet are refused
 * by name with 501, everything else that is wrong with 400.
 */
export function decode<T>(schema: z.ZodType<T>, input: unknown, what: string): T {
  const parsed = schema.safeParse(canonical(schema, input))
  if (parsed.success) return parsed.data
  throw complaintAbout(parsed.error.issues, what)
}

/** Accepts what says nothing (Go's zero values), and refuses the rest as having no effect yet. */
export const later = z.unknown().superRefine((value, context) => {
  if (saysNothing(value)) return
  context.addIssue({ code: 'custom', message: 'has no effect yet', params: { notYet: true } })
}) as unknown as z.ZodType<never>

/** Refuses even what says nothing: naming the field is asking for it. */
export const refusedYet = z.unknown().superRefine((_value, context) => {
  context.addIssue({ code: 'custom', message: 'has no effect yet', params: { notYet: true } })
}) as unknown as z.ZodType<never>

/** Like `later` for fields whose default is a word or a number of its own. */
export const only = <const Value extends string | number | boolean>(
  ...defaults: readonly Value[]
): z.ZodType<Value> =>
  z.unknown().superRefine((value, context) => {
    if (saysNothing(value) || defaults.some((allowed) => allowed === value)) return
    const shown = defaults.map((allowed) => JSON.stringify(allowed)).join(' or ')
    context.addIssue({
      code: 'custom',
      message: `has no effect yet (only ${shown} does)`,
      params: { notYet: true },
    })
  }) as unknown as z.ZodType<Value>

export function saysNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true
  if (value === 0 || value === false) return true
  return typeof value === 'object' && Object.values(value).every(saysNothing)
}

function complaintAbout(issues: readonly z.core.$ZodIssue[], what: string): ApiError {
  const malformed = issues.find((issue) => !isNotYet(issue))
  if (malformed === undefined) {
    const fields = issues.map((issue) => `${pathOf(issue)} ${issue.message}`)
    return notYet(fields.join('; '), 'leave it out; meshd refuses what it would not act on')
  }
  return badRequest(`invalid ${what}: ${describe(malformed)}`)
}

function isNotYet(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'custom' && issue.params?.['notYet'] === true
}

function describe(issue: z.core.$ZodIssue): string {
  const path = pathOf(issue)
  if (issue.code === 'unrecognized_keys') {
    const fields = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`))
    return `unknown field ${fields.join(', ')}`
  }
  const message = issue.message.replace(/^Invalid input: /, '')
  return path === '' ? message : `${path}: ${message}`
}

function pathOf(issue: z.core.$ZodIssue): string {
  return issue.path.map(String).join('.')
}

/** Renames keys to the schema's spelling and drops nulls, as far as the schema knows the value. */
function canonical(schema: z.core.$ZodType, input: unknown): unknown {
  const known = unwrap(schema)
  if (input === null || typeof input !== 'object') return input ?? undefined
  if (known instanceof z.ZodArray && Array.isArray(input)) {
    return input.map((item) => canonical(known.element, item))
  }
  if (!(known instanceof z.ZodObject) || Array.isArray(input)) return input
  const shape = known.shape as Readonly<Record<string, z.core.$ZodType>>
  const spelling = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]))
  const entries = Object.entries(input).flatMap(([key, value]): [string, unknown][] => {
    if (value === null) return []
    const name = spelling.get(key.toLowerCase()) ?? key
    const field = shape[name]
    return [[name, field === undefined ? value : canonical(field, value)]]
  })
  return Object.fromEntries(entries)
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional) {
    return unwrap(schema.unwrap())
  }
  return schema
}
