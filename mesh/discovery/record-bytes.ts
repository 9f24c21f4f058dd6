import type { Json } from '../base/json.ts'

const beyondAscii = /[^\0-\x7f]/

/** Length of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  // Nearly every text is plain, and this is asked for every record that arrives.
  if (!beyondAscii.test(text)) return text.length
  let bytes = 0
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0
    if (point < 0x80) bytes += 1
    else if (point < 0x800) bytes += 2
    else if (point < 0x10000) bytes += 3
    else bytes += 4
  }
  return bytes
}

export const jsonBytes = (value: Json): number => utf8Bytes(JSON.stringify(value))

/** Version and punctuation of a record on the wire. */
export const overheadBytes = 32

export const recordBytes = (key: string, value: Json): number =>
  utf8Bytes(key) + jsonBytes(value) + overheadBytes
