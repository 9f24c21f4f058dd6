import { MeshError } from '../../mesh/base/mesh-error.ts'

/** An answer that is not what was asked for, in words for people. `code` is API, the words are not. */
export interface Complaint {
  readonly status: number
  readonly code: string
  /** What went wrong. */
  readonly what: string
  /** Why. */
  readonly why?: string
  /** What to do about it. */
  readonly hint?: string
}

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly complaint: Complaint

  constructor(complaint: Complaint, options?: ErrorOptions) {
    super(messageOf(complaint), options)
    this.complaint = complaint
  }
}

/** The one line that docker's clients show. */
export function messageOf({ what, why, hint }: Complaint): string {
  const reasons = [why, hint].filter((part) => part !== undefined && part !== '')
  return [what, ...reasons.map(asSentence)].join('. ')
}

const asSentence = (text = ''): string => text.charAt(0).toUpperCase() + text.slice(1)

export const badRequest = (what: string, why?: string, hint?: string): ApiError =>
  complain({ status: 400, code: 'api/bad-request', what, why, hint })

export const notFound = (kind: string, reference: string): ApiError =>
  new ApiError({ status: 404, code: 'api/not-found', what: `${kind} ${reference} not found` })

export const conflict = (what: string, why?: string, hint?: string): ApiError =>
  complain({ status: 409, code: 'api/conflict', what, why, hint })

/** A thing that Docker's API has and meshd does not do yet: said, never ignored. */
export const notYet = (what: string, hint?: string): ApiError =>
  complain({ status: 501, code: 'api/no-effect-yet', what, hint })

export const unavailable = (what: string, why?: string, hint?: string): ApiError =>
  complain({ status: 503, code: 'api/unavailable', what, why, hint })

interface LooseComplaint {
  readonly status: number
  readonly code: string
  readonly what: string
  readonly why?: string | undefined
  readonly hint?: string | undefined
}

export function complain({ status, code, what, why, hint }: LooseComplaint): ApiError {
  return new ApiError({
    status,
    code,
    what,
    ...(why === undefined ? {} : { why }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** Faults of the mesh as the status that a client can act on. Null: a bug, or nothing we know. */
export function complaintOf(error: unknown): Complaint | null {
  if (error instanceof ApiError) return error.complaint
  if (!(error instanceof MeshError)) return null
  return consensusComplaint(error) ?? { status: 500, code: error.fault.code, what: error.message }
}

function consensusComplaint(error: MeshError): Complaint | null {
  const { code } = error.fault
  switch (code) {
    case 'raft/no-leader':
      return {
        status: 503,
        code,
        what: 'the cluster has no leader, so nothing was read or written',
        why: whoIsMissing(error.fault['unreachable']),
        hint: 'bring back enough managers for a majority; services keep running meanwhile',
      }
    case 'raft/outcome-unknown':
      return {
        status: 503,
        code,
        what: 'it is not known whether the change took effect',
        why: 'the leader went away before it could say so',
        hint: 'look at the object, then ask again if need be',
      }
    case 'raft/overloaded':
      return {
        status: 503,
        code,
        what: 'this node has more calls under way than it can follow; nothing was written',
        hint: 'try again in a moment',
      }
    case 'storage/full':
      return {
        status: 507,
        code,
        what: 'the disk of this manager is full: nothing was written',
        why: whatIsLeft(error.fault),
        hint: 'make room there; changes are taken again within seconds, and services run meanwhile',
      }
    case 'raft/too-large':
      return {
        status: 413,
        code,
        what: 'the change is larger than one entry of the log may be',
        why: `${String(error.fault['bytes'])} bytes, the limit is ${String(error.fault['limitBytes'])}`,
      }
    case 'raft/not-a-manager':
      return { status: 503, code, what: 'This node is not a swarm manager' }
    default:
      return null
  }
}

function whatIsLeft(fault: MeshError['fault']): string {
  const { where, freeBytes, reserveBytes } = fault
  const kept = Number(reserveBytes) >> 20
  return `${String(where)} has ${String(freeBytes)} bytes left; the last ${kept} MB are kept for votes`
}

function whoIsMissing(unreachable: unknown): string {
  const names = Array.isArray(unreachable) ? unreachable.map(String) : []
  if (names.length === 0) return 'no election was won within 4 s'
  return `managers that cannot be reached: ${names.join(', ')}`
}

export const hasStatus = (error: unknown, status: number): boolean =>
  error instanceof ApiError && error.complaint.status === status
