import { parseRfc3339, rfc3339 } from '../model/rfc3339.ts'

/** RFC 3339 in UTC with nine decimals, as docker writes the times of a log. */
export const logTime = (ms: number, nanos = 0): string =>
  `${rfc3339(ms).slice(0, -1)}${String(nanos).padStart(6, '0')}Z`

const secondsPattern = /^(\d{1,11})(?:\.(\d{1,9}))?$/
const fractionPattern = /\.(\d{1,9})/

/** Docker's times in a query: seconds since 1970, perhaps with a fraction, or RFC 3339. */
export function parseLogTime(text: string): string | null {
  const seconds = secondsPattern.exec(text)
  if (seconds !== null) return atSecond(Number(seconds[1]) * 1000, seconds[2])
  const ms = parseRfc3339(text)
  return ms === null ? null : atSecond(ms, fractionPattern.exec(text)?.[1])
}

const atSecond = (ms: number, fraction = ''): string =>
  `${rfc3339(ms).slice(0, 19)}.${fraction.padEnd(9, '0')}Z`
