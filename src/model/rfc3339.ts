const dayMs = 86_400_000
/** Days from 0000-03-01 to 1970-01-01, and days in 400 years: the Gregorian calendar's period. */
const epochDay = 719_468
const eraDays = 146_097

/** `2026-11-24T22:26:42.007Z`; pure arithmetic, for rules have no `Date`. */
export function rfc3339(ms: number): string {
  const whole = Math.floor(ms)
  const days = Math.floor(whole / dayMs)
  const inDay = whole - days * dayMs
  const { year, month, day } = civilDate(days)
  const hours = Math.floor(inDay / 3_600_000)
  const minutes = Math.floor(inDay / 60_000) % 60
  const seconds = Math.floor(inDay / 1000) % 60
  const date = `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}`
  const time = `${padded(hours, 2)}:${padded(minutes, 2)}:${padded(seconds, 2)}`
  return `${date}T${time}.${padded(inDay % 1000, 3)}Z`
}

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** Milliseconds since 1970; null when the text is not RFC 3339. */
export function parseRfc3339(text: string): number | null {
  const match = pattern.exec(text)
  if (match === null) return null
  const part = (at: number): number => Number(match[at] ?? '0')
  const days = daysOf({ year: part(1), month: part(2), day: part(3) })
  const fractionMs = Math.floor(Number(`0.${match[7] ?? '0'}`) * 1000 + 1e-6)
  const inDay = part(4) * 3_600_000 + part(5) * 60_000 + part(6) * 1000 + fractionMs
  const offsetMs = (part(9) * 60 + part(10)) * 60_000
  return days * dayMs + inDay - (match[8] === '-' ? -offsetMs : offsetMs)
}

interface CivilDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** Years counted from March, so that the leap day is the last of a year (Hinnant's algorithm). */
function civilDate(daysSince1970: number): CivilDate {
  const days = daysSince1970 + epochDay
  const era = Math.floor(days / eraDays)
  const dayOfEra = days - era * eraDays
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365)
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}

function daysOf({ year, month, day }: CivilDate): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const marchMonth = month > 2 ? month - 3 : month + 9
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * eraDays + dayOfEra - epochDay
}

const padded = (value: number, width: number): string => String(value).padStart(width, '0')
