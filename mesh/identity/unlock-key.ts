import { randomBytes } from 'node:crypto'

const keyBytes = 32
const prefix = 'SWMKEY-1-'

/** What opens the keys of managers that are locked, as Docker writes it for people. */
export const drawUnlockKey = (): string =>
  `${prefix}${randomBytes(keyBytes).toString('base64').replace(/=+$/, '')}`

/** Null when it cannot be one; which one it is, only a lock can tell. */
export function parseUnlockKey(text: string): Uint8Array | null {
  const trimmed = text.trim()
  if (!trimmed.startsWith(prefix)) return null
  const digits = trimmed.slice(prefix.length)
  if (!/^[A-Za-z0-9+/]{43}$/.test(digits)) return null
  return Buffer.from(digits, 'base64')
}
