const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const whole = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)/
const piece = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** Go's `time.ParseDuration` in milliseconds, such as `1m30s`; null when it is not one. */
export function parseGoDuration(text: string): number | null {
  if (/^[+-]?0$/.test(text)) return 0
  if (!whole.test(text)) return null
  const sign = text.startsWith('-') ? -1 : 1
  piece.lastIndex = /^[+-]/.test(text) ? 1 : 0
  let totalMs = 0
  while (piece.lastIndex < text.length) {
    const match = piece.exec(text)
    if (match === null) return null
    totalMs += Number(match[1]) * (unitMs[match[2] ?? ''] ?? 0)
  }
  return sign * totalMs
}
