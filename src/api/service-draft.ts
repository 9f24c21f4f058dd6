import type { Json } from '../../mesh/base/json.ts'
import { nameProblem, serviceClaims } from '../model/claims.ts'
import type { EndpointSpec, PortConfig, Service, ServiceSpec } from '../model/docker.ts'
import { parseMeshLabels, uselessLabel } from '../model/ingress-labels.ts'
import type { ClusterView } from '../model/observed.ts'
import { publishPorts } from '../model/published-ports.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import { rollBack } from '../model/rollback.ts'
import { constraintProblem } from '../orchestrator/constraint.ts'
import { preferenceProblem } from '../orchestrator/spread.ts'
import { badRequest, complain, conflict, notYet } from './api-error.ts'
import { asJson } from './as-json.ts'
import type { ApiDeps } from './deps.ts'
import type { Found } from './lookup.ts'
import type { SubmittedSpec } from './service-schema.ts'
import { withMode } from './spec-defaults.ts'

export interface ServiceDraft {
  readonly claims: readonly string[]
  readonly body: Json
}

interface Surroundings {
  readonly view: ClusterView
  readonly deps: Pick<ApiDeps, 'clock' | 'random'>
}

/** What a service object shall be; everything that is wrong with the spec is said here. */
export function draftService(spec: ServiceSpec, around: Surroundings): ServiceDraft {
  const problem = nameProblem(spec.Name)
  if (problem !== null) throw badRequest(problem)
  return draft(withMode(spec), null, around)
}

/** The object after an update. A former update ends with it; the leader goes on from where that was. */
export function redraftService(
  old: Found<Service>,
  submitted: SubmittedSpec,
  around: Surroundings,
): ServiceDraft {
  const before = old.body.Spec
  const spec = withMode({ ...submitted, Name: submitted.Name ?? before.Name })
  refuseFixedFields(before, spec)
  return draft(spec, old.body, around)
}

/** The object as it was before its last change; asked again, as it was before that. */
export function rollBackService(old: Found<Service>, around: Surroundings): ServiceDraft {
  const name = old.body.Spec.Name
  if (old.body.PreviousSpec === undefined) {
    throw badRequest(
      `service ${name} does not have a previous spec`,
      'it was not changed since it was created, or the change was rolled back already',
    )
  }
  const rolledBack = rollBack(old.body, {
    id: old.id,
    catalog: around.view.catalog,
    random: around.deps.random,
    status: {
      State: 'rollback_started',
      StartedAt: rfc3339(around.deps.clock.nowMs()),
      Message: 'manually requested rollback',
    },
    isByHand: true,
  })
  if (rolledBack.kind === 'refused') {
    throw conflict(`service ${name} cannot be rolled back`, rolledBack.problem)
  }
  return { claims: rolledBack.claims, body: asJson(rolledBack.body) }
}

function draft(spec: ServiceSpec, current: Service | null, around: Surroundings): ServiceDraft {
  refusePlacement(spec)
  const ports = portsOf(spec, current, around)
  refuseLabels(spec, ports)
  const endpoint: EndpointSpec = { Mode: 'vip', ...spec.EndpointSpec }
  const body: Service = {
    Spec: spec,
    ...(current === null ? {} : { PreviousSpec: current.Spec }),
    Endpoint: { Spec: endpoint, ...(ports.length === 0 ? {} : { Ports: ports }) },
    SpecVersion: { Index: around.view.catalog.index + 1 },
  }
  refuseSize(body)
  return { claims: serviceClaims(body), body: asJson(body) }
}

function portsOf(
  spec: ServiceSpec,
  current: Service | null,
  { view, deps }: Surroundings,
): readonly PortConfig[] {
  const published = publishPorts({
    catalog: view.catalog,
    wanted: spec.EndpointSpec?.Ports ?? [],
    current: current?.Endpoint.Ports ?? [],
    random: deps.random,
  })
  if (published.kind === 'published') return published.ports
  throw badRequest(published.problem, undefined, 'choose another published port')
}

function refuseLabels({ Labels: labels = {} }: ServiceSpec, ports: readonly PortConfig[]): void {
  const [problem] = parseMeshLabels(labels).problems
  const text = problem?.text ?? uselessLabel(labels, ports)
  if (text !== null) throw notYet(`label ${text}`)
}

function refusePlacement({ TaskTemplate: { Placement: placement } }: ServiceSpec): void {
  const spreads = (placement?.Preferences ?? []).map(({ Spread: spread }) => spread)
  const problems = [
    ...(placement?.Constraints ?? []).map(constraintProblem),
    ...spreads.map((spread) => preferenceProblem(spread?.SpreadDescriptor ?? '')),
  ]
  const problem = problems.find((found) => found !== null)
  if (problem !== undefined) throw badRequest(`invalid service spec: ${problem}`)
}

/** In Swarm they are fixed too. */
function refuseFixedFields(before: ServiceSpec, wanted: ServiceSpec): void {
  const hint = 'create a new service, and remove this one'
  if (wanted.Name !== before.Name) throw notYet('renaming services is not supported', hint)
  if ((wanted.Mode?.Global === undefined) !== (before.Mode?.Global === undefined)) {
    throw notYet('service mode change is not allowed', hint)
  }
}

const specLimitBytes = 512 * 1024

/** Every manager keeps it in memory and in its log. */
function refuseSize(body: Service): void {
  const bytes = JSON.stringify(body.Spec).length
  if (bytes <= specLimitBytes) return
  throw complain({
    status: 413,
    code: 'api/too-large',
    what: `the service spec is ${Math.ceil(bytes / 1024)} KB, the limit is ${specLimitBytes / 1024} KB`,
    hint: 'keep data in the image or a volume',
  })
}
