import { ascii, foldedByte } from './octets.ts'

/** Fields that mean something to a proxy. All others pass as they are. */
export const field = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  upgrade: 5,
  expect: 6,
  te: 7,
  trailer: 8,
  keepAlive: 9,
  proxyConnection: 10,
  proxyAuthenticate: 11,
  proxyAuthorization: 12,
  proxyAuthenticationInfo: 13,
  http2Settings: 14,
  /** Becomes HTTP_PROXY in the environment of a CGI. */
  proxy: 15,
  forwarded: 16,
  xForwardedFor: 17,
  xForwardedProto: 18,
  xForwardedHost: 19,
  xForwardedPort: 20,
  xForwardedServer: 21,
  xForwardedPrefix: 22,
  xRealIp: 23,
  xRequestId: 24,
  via: 25,
  maxForwards: 26,
} as const

export type FieldCode = (typeof field)[keyof typeof field]

/** Set beside a code when the name was spelt with `_`: some readers take it for the real one. */
export const confusable = 0x80

interface Known {
  readonly code: FieldCode
  readonly name: Uint8Array
}

const names: Readonly<Record<Exclude<keyof typeof field, 'other'>, string>> = {
  host: 'host',
  connection: 'connection',
  contentLength: 'content-length',
  transferEncoding: 'transfer-encoding',
  upgrade: 'upgrade',
  expect: 'expect',
  te: 'te',
  trailer: 'trailer',
  keepAlive: 'keep-alive',
  proxyConnection: 'proxy-connection',
  proxyAuthenticate: 'proxy-authenticate',
  proxyAuthorization: 'proxy-authorization',
  proxyAuthenticationInfo: 'proxy-authentication-info',
  http2Settings: 'http2-settings',
  proxy: 'proxy',
  forwarded: 'forwarded',
  xForwardedFor: 'x-forwarded-for',
  xForwardedProto: 'x-forwarded-proto',
  xForwardedHost: 'x-forwarded-host',
  xForwardedPort: 'x-forwarded-port',
  xForwardedServer: 'x-forwarded-server',
  xForwardedPrefix: 'x-forwarded-prefix',
  xRealIp: 'x-real-ip',
  xRequestId: 'x-request-id',
  via: 'via',
  maxForwards: 'max-forwards',
}

const longest = Math.max(...Object.values(names).map((name) => name.length))
const knownByLength: readonly (readonly Known[])[] = Array.from({ length: longest + 1 }, (_, at) =>
  Object.entries(names)
    .filter(([, name]) => name.length === at)
    .map(([key, name]) => ({ code: field[key as keyof typeof names], name: ascii(name) })),
)

/** What the name between `from` and `to` means, perhaps with `confusable`. */
export function fieldCode(bytes: Uint8Array, from: number, to: number): number {
  const candidates = knownByLength[to - from]
  if (candidates === undefined) return field.other
  for (const { code, name } of candidates) {
    const match = matchFolded(bytes, from, name)
    if (match !== null) return code | match
  }
  return field.other
}

/** Null when it is another name; 0 or `confusable` when it is this one. */
function matchFolded(bytes: Uint8Array, from: number, name: Uint8Array): number | null {
  let flag = 0
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[from + at] ?? 0
    if (foldedByte[byte] !== name[at]) return null
    if (byte === 0x5f) flag = confusable
  }
  return flag
}
