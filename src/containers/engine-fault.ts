import { type Fault, MeshError } from '../../mesh/base/mesh-error.ts'

export interface EngineFault extends Fault {
  readonly code:
    /** It does not answer; nothing is wrong with the task. */
    | 'engine/unreachable'
    | 'engine/no-such-container'
    | 'engine/no-such-command'
    | 'engine/no-free-port'
    /** Missing, and no registry gave it to us. */
    | 'engine/image-missing'
    /** Missing, and no registry answered: a later try may go better. */
    | 'engine/registry-silent'
    | 'engine/start-failed'
    /** It answered, and said no. */
    | 'engine/refused'
  /** For people: it becomes the task's error. */
  readonly because: string
}

export function engineFault(
  code: EngineFault['code'],
  because: string,
  cause?: unknown,
): MeshError<EngineFault> {
  return new MeshError({ code, because }, cause === undefined ? undefined : { cause })
}

export const isEngineFault = (error: unknown): error is MeshError<EngineFault> =>
  error instanceof MeshError && error.fault.code.startsWith('engine/')

export const isUnreachable = (error: unknown): boolean =>
  isEngineFault(error) && error.fault.code === 'engine/unreachable'

/** The same call may succeed a little later, though nothing is changed. */
export const mayPass = (error: unknown): boolean =>
  isEngineFault(error) && error.fault.code === 'engine/registry-silent'

/** What to tell people about a failed call. */
export function becauseOf(error: unknown): string {
  if (isEngineFault(error)) return error.fault.because
  return error instanceof Error ? error.message : String(error)
}
