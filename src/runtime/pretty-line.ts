const levelNames: Readonly<Record<string, string>> = {
  '20': 'debug',
  '30': 'info ',
  '40': 'WARN ',
  '50': 'ERROR',
}

/** One of pino's JSON lines as a person reads it: time, level, node, area, message, facts. */
export function prettyLine(line: string): string {
  const parsed = JSON.parse(line) as Record<string, unknown>
  const { level, time, area, node, msg, err, ...facts } = parsed
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const who = [node, area].filter((part) => typeof part === 'string').join(' ')
  const shown = Object.entries(facts).map(([name, value]) => `${name}=${show(value)}`)
  const reason = err === undefined ? [] : [`err=${show((err as { message?: unknown }).message)}`]
  const parts = [clock, levelNames[String(level)], who, String(msg), ...shown, ...reason]
  return `${parts.filter((part) => part !== '').join(' ')}\n`
}

function show(value: unknown): string {
  if (typeof value === 'string' && !/[\s"=]/.test(value)) return value
  return JSON.stringify(value) ?? 'undefined'
}
