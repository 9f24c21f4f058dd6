import { isIP } from 'node:net'

export interface HostPort {
  /** Without brackets. */
  readonly host: string
  readonly port: number
}

/** `host:port` or `[v6]:port`; null when it is neither. */
export function parseHostPort(text: string): HostPort | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  return host === undefined || !(port <= 65535) ? null : { host, port }
}

export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** An address as people write it: a dual-stack socket shows an IPv4 peer as `::ffff:a.b.c.d`. */
export function plainHost(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** What libp2p calls the address; the host is an IP address. */
export function tcpMultiaddr({ host, port }: HostPort): string {
  return `/${isIP(host) === 6 ? 'ip6' : 'ip4'}/${host}/tcp/${port}`
}
