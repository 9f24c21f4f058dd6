import type { Random } from '../../mesh/base/random.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import { serviceClaims } from './claims.ts'
import type { Service, UpdateStatus } from './docker.ts'
import { publishPorts } from './published-ports.ts'

export type Rollback =
  | { readonly kind: 'rolled-back'; readonly body: Service; readonly claims: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: string }

export interface RollbackRequest {
  readonly id: string
  readonly catalog: CatalogReader
  readonly random: Random
  readonly status: UpdateStatus
  /** Whoever asks for it may ask again, which undoes it; what goes back by itself never returns. */
  readonly isByHand: boolean
}

/** The service as it was before its last change. Ports that others took meanwhile stand in the way. */
export function rollBack(service: Service, request: RollbackRequest): Rollback {
  const { PreviousSpec: spec, UpdateStatus: _former, ...rest } = service
  if (spec === undefined) return refused('there is no previous spec')
  const { id, catalog, random, status, isByHand } = request
  const current = service.Endpoint.Ports ?? []
  const wanted = spec.EndpointSpec?.Ports ?? []
  const published = publishPorts({ catalog, wanted, current, random })
  if (published.kind === 'refused') return refused(published.problem)
  const { ports } = published
  const body: Service = {
    ...rest,
    Spec: spec,
    ...(isByHand && { PreviousSpec: service.Spec }),
    Endpoint: {
      Spec: { Mode: 'vip', ...spec.EndpointSpec },
      ...(ports.length > 0 && { Ports: ports }),
    },
    SpecVersion: { Index: catalog.index + 1 },
    UpdateStatus: status,
  }
  const claims = serviceClaims(body)
  const taken = claims.find((claim) => (catalog.holder(claim)?.id ?? id) !== id)
  if (taken !== undefined) return refused(`${taken} was taken by another service meanwhile`)
  return { kind: 'rolled-back', body, claims }
}

const refused = (problem: string): Rollback => ({ kind: 'refused', problem })
