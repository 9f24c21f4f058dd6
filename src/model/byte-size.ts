const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
}

/** A size as Docker writes it, such as `512`, `16k` or `1.5gb`, in bytes; null when it is not one. */
export function parseByteSize(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(?:i?b)?$/i.exec(text)
  if (match === null) return null
  const bytes = Math.floor(Number(match[1]) * (unitBytes[(match[2] ?? '').toLowerCase()] ?? 0))
  return Number.isSafeInteger(bytes) ? bytes : null
}
