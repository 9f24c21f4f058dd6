import { drawId } from '../../mesh/base/ids.ts'
import { beginRotation } from '../model/authority-rotation.ts'
import type { Cluster } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import { badRequest, conflict, notYet } from './api-error.ts'
import type { ApiDeps } from './deps.ts'

/** What a submitted spec wants of the authority. */
export interface AuthorityWish {
  readonly forceRotate: number
  /** PEM; null for a new one. */
  readonly given: { readonly certificatesPem: string; readonly keyPem: string } | null
}

/** Docker's own fields for it; never kept, and the key never shown. */
const wishFields = new Set(['ForceRotate', 'SigningCACert', 'SigningCAKey'])

/** Null when the authority stays as it is. */
export function authorityWish({ Spec }: Cluster, submitted: unknown): AuthorityWish | null {
  const before = fieldsOf(Spec)
  const wished = fieldsOf(submitted)
  if (Array.isArray(wished['ExternalCAs']) && wished['ExternalCAs'].length > 0) {
    throw notYet(
      'an external CA has no effect yet',
      'give the authority itself: --ca-cert, --ca-key',
    )
  }
  const certificatesPem = textOf(wished, 'SigningCACert')
  const keyPem = textOf(wished, 'SigningCAKey')
  const forceRotate = wished['ForceRotate'] ?? 0
  if (typeof forceRotate !== 'number' || !Number.isSafeInteger(forceRotate) || forceRotate < 0) {
    throw badRequest('invalid CAConfig.ForceRotate: expected a number')
  }
  if (certificatesPem === '' && keyPem === '') {
    const isSame = forceRotate === 0 || forceRotate === (before['ForceRotate'] ?? 0)
    return isSame ? null : { forceRotate, given: null }
  }
  if (certificatesPem === '') throw badRequest('a signing CA key without its certificate')
  if (keyPem === '') throw badRequest('a signing CA certificate without its key')
  return { forceRotate, given: { certificatesPem, keyPem } }
}

/** The spec as if it wished nothing of the authority. */
export function withoutWish({ Spec }: Cluster, submitted: unknown): unknown {
  if (typeof submitted !== 'object' || submitted === null || !('CAConfig' in submitted)) {
    return submitted
  }
  const rest = Object.entries(fieldsOf(submitted)).filter(([name]) => !wishFields.has(name))
  const { ForceRotate } = fieldsOf(Spec)
  const kept = ForceRotate === undefined ? {} : { ForceRotate }
  return { ...submitted, CAConfig: { ...Object.fromEntries(rest), ...kept } }
}

/** The first step; the leader goes on with it. */
export function withRotation(
  cluster: Cluster,
  wish: AuthorityWish,
  { view, deps }: { readonly view: ClusterView; readonly deps: ApiDeps },
): Cluster {
  if (cluster.CaRotation !== undefined) {
    throw conflict(
      'a rotation of the root CA is under way',
      'one has to end before the next begins',
      'wait until `RootRotationInProgress` of GET /swarm is false',
    )
  }
  const nowMs = deps.clock.nowMs()
  const next = deps.nextRoot(wish.given, view.catalog, { id: drawId(deps.random), nowMs })
  if ('refused' in next) throw badRequest(`invalid CA: ${next.refused}`)
  const CAConfig = { ...fieldsOf(cluster.Spec), ForceRotate: wish.forceRotate }
  return beginRotation({ ...cluster, Spec: { ...cluster.Spec, CAConfig } }, next, nowMs)
}

function fieldsOf(spec: unknown): Readonly<Record<string, unknown>> {
  if (typeof spec !== 'object' || spec === null || !('CAConfig' in spec)) return {}
  const { CAConfig: fields } = spec
  return typeof fields === 'object' && fields !== null ? { ...fields } : {}
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string {
  const text = fields[name] ?? ''
  if (typeof text !== 'string') throw badRequest(`invalid CAConfig.${name}: expected PEM`)
  return text
}
