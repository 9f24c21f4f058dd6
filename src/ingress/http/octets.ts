/** Bytes that the grammar of HTTP/1.1 names, and which of them may stand where. */
export const cr = 0x0d
export const lf = 0x0a
export const space = 0x20
export const tab = 0x09
export const comma = 0x2c
export const slash = 0x2f
export const colon = 0x3a
export const semicolon = 0x3b

/** RFC 9110 `tchar`: names of methods, fields and codings. */
export const isTokenByte: Uint8Array = tableOf(/[!#$%&'*+.^_`|~0-9A-Za-z-]/)

/** What may stand within a line: tab, printable ASCII and obs-text; other controls never. */
export const isTextByte: Uint8Array = tableOf(/[\t\x20-\x7e\x80-\xff]/)

/** A request target: printable ASCII without a fragment. */
export const isTargetByte: Uint8Array = tableOf(/[!-"$-~]/)

/** An authority: RFC 3986 `host` and `port`, without user information. */
export const isHostByte: Uint8Array = tableOf(/[A-Za-z0-9._~!$&'()*+;=:%[\]-]/)

/** For names of fields: lower case, and `_` is taken for `-`, as CGI and its heirs do. */
export const foldedByte: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x41 && byte <= 0x5a) return byte + 0x20
  return byte === 0x5f ? 0x2d : byte
})

/** The value of a hexadecimal digit, 255 for every other byte. */
export const hexValue: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit < 0 || byte >= 0x80 ? 255 : digit
})

export const isBlank = (byte: number | undefined): boolean => byte === space || byte === tab

export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

function tableOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    pattern.test(String.fromCharCode(byte)) ? 1 : 0,
  )
}
