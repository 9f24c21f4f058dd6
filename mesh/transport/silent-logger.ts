import type { ComponentLogger, Logger } from '@libp2p/interface'

/**
 * libp2p's own log, switched off: it tells every step of every stream, and every failed dial as an
 * error. What an operator needs to know of connections is logged by our transport.
 */
const silent: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => silent,
})

export const silentLogger: ComponentLogger = { forComponent: () => silent }
