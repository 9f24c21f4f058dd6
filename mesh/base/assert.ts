/** A bug in our own code. Nobody catches it: it ends the process. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function assert(condition: boolean, because: string): asserts condition {
  if (!condition) throw new InvariantError(because)
}

/** The end of a switch over a union: a new member breaks the build here. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`)
}
