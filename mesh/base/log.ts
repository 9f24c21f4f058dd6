export type LogFacts = { readonly [name: string]: unknown }

/** Structured logging as a dependency: facts first, then a message that never contains them. */
export interface Log {
  debug(facts: LogFacts, message: string): void
  info(facts: LogFacts, message: string): void
  warn(facts: LogFacts, message: string): void
  error(facts: LogFacts, message: string): void
  /** A log whose lines carry `area` as the part of the program that speaks. */
  child(area: string): Log
}

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}
