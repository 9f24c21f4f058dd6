/** An address as a number, or a range of them as its first `prefix` bits. */
interface IpRange {
  readonly bits: 32 | 128
  readonly value: bigint
  readonly prefix: number
}

/** Whether an address is the other one or lies in it; `range` is an address or `address/bits`. */
export function isInRange(address: string, range: string): boolean {
  const inner = parseRange(address)
  const outer = parseRange(range)
  if (inner === null || outer === null || inner.bits !== outer.bits) return false
  const shift = BigInt(outer.bits - outer.prefix)
  return inner.value >> shift === outer.value >> shift
}

export const isIpAddress = (text: string): boolean => !text.includes('/') && isIpRange(text)

/** An address, or a network as `address/bits`. */
export const isIpRange = (text: string): boolean => parseRange(text) !== null

function parseRange(text: string): IpRange | null {
  const [address = '', prefixText, ...rest] = text.split('/')
  const value = address.includes(':') ? parseIpv6(address) : parseIpv4(address)
  if (value === null || rest.length > 0) return null
  const bits = address.includes(':') ? 128 : 32
  if (prefixText === undefined) return { bits, value, prefix: bits }
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : bits + 1
  return prefix > bits ? null : { bits, value, prefix }
}

function parseIpv4(text: string): bigint | null {
  const parts = text.split('.')
  const isValid = parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)
  if (parts.length !== 4 || !isValid) return null
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function parseIpv6(text: string): bigint | null {
  const [head = '', tail, ...rest] = text.split('::')
  if (rest.length > 0) return null
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  if (left === null || right === null) return null
  const missing = 8 - left.length - right.length
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  const groups = [...left, ...Array.from({ length: missing }, () => 0n), ...right]
  return groups.reduce((value, group) => (value << 16n) | group, 0n)
}

function groupsOf(text: string): bigint[] | null {
  if (text === '') return []
  const groups = text.split(':')
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null
  return groups.map((group) => BigInt(`0x${group}`))
}
