/** The port of `host:port`, of `[::1]:port` too; null when there is none. */
export function portOf(address: string): number | null {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  return colon > 0 && Number.isInteger(port) && port > 0 ? port : null
}

/** The host of `host:port`, without the brackets of an IPv6 address. */
export function hostOf(address: string): string {
  const colon = address.lastIndexOf(':')
  const host = colon > 0 ? address.slice(0, colon) : address
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
