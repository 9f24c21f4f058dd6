/** Why a call gave no result. Codes are the API's, the words are for people. */
export type ClientFault =
  /** Nobody answered at the address. */
  | { readonly kind: 'unreachable'; readonly host: string; readonly reason: string }
  /** The daemon answered with something else than what was asked for. */
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly code: string
      readonly what: string
      readonly why: string
      readonly hint: string
    }

export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly fault: ClientFault

  constructor(fault: ClientFault) {
    super(fault.kind === 'refused' ? fault.what : `${fault.host}: ${fault.reason}`)
    this.fault = fault
  }
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof ClientError && error.fault.kind === 'refused' && error.fault.status === 404

/** Somebody else changed the object between our read and our write. */
export const isOutOfSequence = (error: unknown): boolean =>
  error instanceof ClientError &&
  error.fault.kind === 'refused' &&
  error.fault.code === 'api/out-of-sequence'
