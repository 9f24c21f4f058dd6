import { pino, type Logger } from 'pino'
import type { Log } from '../../mesh/base/log.ts'
import { prettyLine } from './pretty-line.ts'

export interface LogOptions {
  readonly format: 'json' | 'pretty'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Names the node in every line when several share a terminal; empty otherwise. */
  readonly name: string
}

/** Facts by these names never reach a log, wherever they stand. */
const secretFacts = ['token', 'secret', 'key', 'caKeyPem', 'tlsKeyPem', 'gossipKeys', 'joinSecrets']
const redact = secretFacts.flatMap((fact) => [fact, `*.${fact}`])

/**
 * Logs to standard error, synchronously: the line before a crash is the one that matters. A reader
 * that goes away costs the lines, never the node.
 */
export function createLog(options: LogOptions): Log {
  for (const stream of [process.stderr, process.stdout]) {
    if (stream.listenerCount('error', ignore) === 0) stream.on('error', ignore)
  }
  const write = (line: string): void => {
    process.stderr.write(options.format === 'json' ? line : prettyLine(line))
  }
  const base = options.name === '' ? {} : { node: options.name }
  return adapt(pino({ level: options.level, base, redact }, { write }))
}

const ignore = (): void => {}

function adapt(logger: Logger): Log {
  return {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
    child: (area) => adapt(logger.child({ area })),
  }
}
