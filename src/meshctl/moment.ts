import { usage } from './command-error.ts'
import type { Io } from './io.ts'

const durationPattern = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/
const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const datePattern =
  /^\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?(?:Z|[+-]\d\d:\d\d)?$/

/** `42m` ago, a date as docker takes it, or seconds since 1970; as the API wants it. */
export function parseMoment(io: Io, flag: string, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d+(?:\.\d{1,9})?$/.test(text)) return text
  if (durationPattern.test(text)) return ((io.nowMs() - durationMs(text)) / 1000).toFixed(3)
  const ms = datePattern.test(text) ? Date.parse(whole(text)) : NaN
  if (!Number.isNaN(ms)) return (ms / 1000).toFixed(3)
  throw usage(
    `invalid --${flag} ${JSON.stringify(text)}`,
    'write a duration such as 10m, or a date such as 2026-01-02T15:04:05',
  )
}

function durationMs(text: string): number {
  const pieces = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)
  return [...pieces].reduce(
    (sum, piece) => sum + Number(piece[1]) * (unitMs[piece[2] ?? ''] ?? 0),
    0,
  )
}

/** JavaScript wants minutes where there are hours, and takes a bare date as UTC. */
function whole(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text}T00:00`
  return text.replace(/T(\d\d)(?=Z|[+-]|$)/, 'T$1:00')
}
