import { usage } from './command-error.ts'

const unitNs: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** Go's durations, such as `1m30s`, in nanoseconds. */
export function durationNs(flag: string, text: string): number {
  const pieces = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  const isWhole = pieces.length > 0 && pieces.map(([piece]) => piece).join('') === text
  if (text === '0') return 0
  if (!isWhole) throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'write it as 10s or 1m30s')
  const total = pieces.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (unitNs[unit ?? ''] ?? 0),
    0,
  )
  return Math.round(total)
}

const exponents: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 }

/** Docker's sizes: `512m`, `1.5g`, `64MiB`; all powers of 1024. */
export function sizeBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text)
  if (match === null)
    throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'write it as 512m or 1g')
  return Math.floor(Number(match[1]) * 1024 ** (exponents[(match[2] ?? '').toLowerCase()] ?? 0))
}

/** CPUs, such as `0.5`, in billionths. */
export function nanoCpus(flag: string, text: string): number {
  if (!/^(?:\d+(?:\.\d{0,9})?|\.\d{1,9})$/.test(text)) {
    throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'write it as 0.5 or 2')
  }
  return Math.round(Number(text) * 1e9)
}

export function count(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'it must be a whole number, 0 or more')
}
