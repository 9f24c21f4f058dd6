/** Protobuf's variable-length integers, for numbers up to 2^53: arithmetic, not bit operators. */
const longest = 8

export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++
  return length
}

export function writeVarint(into: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    into.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  into.push(rest)
}

/** The number and where it ends; null when it is cut off or larger than 2^53 - 1. */
export function readVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0
  let weight = 1
  for (let end = at; end < Math.min(bytes.length, at + longest); end++, weight *= 128) {
    const byte = bytes[end] ?? 0
    value += (byte % 128) * weight
    if (byte < 128) return Number.isSafeInteger(value) ? { value, end: end + 1 } : null
  }
  return null
}
