import type { CloseCause, ConnectionHandler } from './loop.ts'

const causes: Readonly<Record<string, CloseCause>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timed-out',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'unreachable',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
}

/** What an error of a socket means for its connection. */
export function causeOf(code: string | undefined, isConnected: boolean): CloseCause {
  const cause = causes[code ?? ''] ?? 'failed'
  return cause === 'reset' && !isConnected ? 'refused' : cause
}

/** Of a connection that nobody has taken yet. */
export const unheard: ConnectionHandler = {
  onConnected: () => {},
  onReceive: () => {},
  onEnd: () => {},
  onDrained: () => {},
  onClosed: () => {},
}
