/** Times and sizes in docker's words. */

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

export function humanDuration(ms: number): string {
  if (ms < second) return 'less than a second'
  if (ms < 2 * second) return '1 second'
  if (ms < minute) return `${Math.floor(ms / second)} seconds`
  if (ms < 2 * minute) return 'about a minute'
  if (ms < hour) return `${Math.floor(ms / minute)} minutes`
  if (ms < 1.5 * hour) return 'about an hour'
  if (ms < 2 * day) return `${Math.round(ms / hour)} hours`
  if (ms < 14 * day) return `${Math.floor(ms / day)} days`
  if (ms < 60 * day) return `${Math.floor(ms / (7 * day))} weeks`
  if (ms < 730 * day) return `${Math.floor(ms / (30 * day))} months`
  return `${Math.floor(ms / (365 * day))} years`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function humanBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`
}

export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

export const shortId = (id: string): string => id.slice(0, 12)

/** Without a digest, as docker shows images. */
export const shortImage = (image: string): string => image.replace(/@sha256:[0-9a-f]+$/, '')

export function truncated(text: string, limit: number): string {
  const characters = Array.from(text)
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`
}
