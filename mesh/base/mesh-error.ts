/**
 * A fault of the world (disk, network, engine, operator's input) as data. Codes are API and stay;
 * facts are what an operator needs to act. Only `src/api` and `src/meshctl` turn faults into words
 * for people, status and exit codes.
 */
export interface Fault {
  /** `area/what`, such as `raft/no-leader`. */
  readonly code: string
  readonly [fact: string]: unknown
}

export class MeshError<F extends Fault = Fault> extends Error {
  override readonly name = 'MeshError'
  readonly fault: F

  constructor(fault: F, options?: ErrorOptions) {
    super(describe(fault), options)
    this.fault = fault
  }
}

export function isFault<Code extends string>(
  error: unknown,
  code: Code,
): error is MeshError<Fault & { code: Code }> {
  return error instanceof MeshError && error.fault.code === code
}

function describe(fault: Fault): string {
  const { code, ...facts } = fault
  const shown = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return shown.length === 0 ? code : `${code} (${shown.join(', ')})`
}
