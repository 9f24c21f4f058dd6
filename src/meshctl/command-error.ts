import { ClientError, type ClientFault } from '../client/client-error.ts'

export const exitCodes = {
  error: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unreachable: 5,
  notConverged: 6,
  rolledBack: 7,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

interface Words {
  readonly what: string
  readonly why?: string
  readonly hint?: string
}

/** A command that did not do what was asked, with the words and the exit code for it. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode
  readonly words: Words

  constructor(exitCode: ExitCode, words: Words) {
    super(words.what)
    this.exitCode = exitCode
    this.words = words
  }
}

export const usage = (what: string, hint?: string): CommandError =>
  new CommandError(exitCodes.usage, hint === undefined ? { what } : { what, hint })

/** Whatever was thrown, as what is said and how the program ends. */
export function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error
  if (error instanceof ClientError) return fromFault(error.fault)
  const what = error instanceof Error ? error.message : String(error)
  return new CommandError(exitCodes.error, { what })
}

export function describe({ words }: CommandError): string {
  const { what, why, hint } = words
  const lines = [`error: ${what}`, ...labelled('why', why), ...labelled('try', hint)]
  return `${lines.join('\n')}\n`
}

const labelled = (label: string, text: string | undefined): string[] =>
  text === undefined || text === '' ? [] : [`${label}: ${text}`]

function fromFault(fault: ClientFault): CommandError {
  if (fault.kind === 'unreachable') {
    return new CommandError(exitCodes.unreachable, {
      what: `cannot reach meshd at ${fault.host}`,
      why: fault.reason,
      hint: 'start it with `meshd up`, or name another one with -H or MESH_HOST',
    })
  }
  const { status, code, what, why, hint } = fault
  return new CommandError(exitCodeOf(status, code), { what, why, hint })
}

function exitCodeOf(status: number, code: string): ExitCode {
  if (status === 404) return exitCodes.notFound
  if (status === 409 || code === 'api/out-of-sequence') return exitCodes.conflict
  return status === 503 ? exitCodes.unreachable : exitCodes.error
}
