import type { Json } from '../../mesh/base/json.ts'
import { nameProblem, serviceClaims } from '../model/claims.ts'
import type { EndpointSpec, PortConfig, Service, ServiceSpec, TaskSpec } from '../model/docker.ts'
import { parseMeshLabels } from '../model/ingress-labels.ts'
import type { ClusterView } from '../model/observed.ts'
import { publishPorts } from '../model/published-ports.ts'
import { constraintProblem } from '../orchestrator/constraint.ts'
import { badRequest, complain, notYet } from './api-error.ts'
import { asJson } from './as-json.ts'
import type { ApiDeps } from './deps.ts'
import type { Found } from './lookup.ts'
import { firstDifference } from './same-value.ts'
import type { SubmittedSpec } from './service-schema.ts'
import { withDefaults, withMode } from './spec-defaults.ts'

export interface ServiceDraft {
  readonly claims: readonly string[]
  readonly body: Json
}

interface Surroundings {
  readonly view: ClusterView
  readonly deps: Pick<ApiDeps, 'random'>
}

/** What a service object shall be; everything that is wrong with the spec is said here. */
export function draftService(spec: ServiceSpec, around: Surroundings): ServiceDraft {
  const problem = nameProblem(spec.Name)
  if (problem !== null) throw badRequest(problem)
  refuseConstraints(spec)
  const index = around.view.catalog.index + 1
  return draft({ spec: withMode(spec), specVersion: index, current: null }, around)
}

/** The object after an update: replicas, labels and ports may change, what tasks are made of not. */
export function redraftService(
  old: Found<Service>,
  submitted: SubmittedSpec,
  around: Surroundings,
): ServiceDraft {
  const before = old.body.Spec
  const wanted = withMode({ ...submitted, Name: submitted.Name ?? before.Name })
  refuseFixedFields(before, wanted)
  const spec = { ...wanted, TaskTemplate: before.TaskTemplate }
  return draft({ spec, specVersion: old.body.SpecVersion.Index, current: old.body }, around)
}

interface Wanted {
  readonly spec: ServiceSpec
  readonly specVersion: number
  readonly current: Service | null
}

function draft({ spec, specVersion, current }: Wanted, around: Surroundings): ServiceDraft {
  const ports = portsOf(spec, current, around)
  refuseLabels(spec, ports)
  const endpoint: EndpointSpec = { Mode: 'vip', ...spec.EndpointSpec }
  const body: Service = {
    Spec: spec,
    ...(current === null ? {} : { PreviousSpec: current.Spec }),
    Endpoint: { Spec: endpoint, ...(ports.length === 0 ? {} : { Ports: ports }) },
    SpecVersion: { Index: specVersion },
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

function refuseLabels(spec: ServiceSpec, ports: readonly PortConfig[]): void {
  const { ingress, problems } = parseMeshLabels(spec.Labels ?? {})
  const [problem] = problems
  if (problem !== undefined) throw notYet(`label ${problem.text}`)
  const published = ports.map((port) => port.PublishedPort)
  const stray = [...ingress.keys()].find((port) => !published.includes(port))
  if (stray === undefined) return
  const known = published.length === 0 ? 'no port' : `port ${published.join(', ')}`
  throw notYet(`label mesh.ingress.${stray}.… has no effect: the service publishes ${known}`)
}

function refuseConstraints(spec: ServiceSpec): void {
  const constraints = spec.TaskTemplate.Placement?.Constraints ?? []
  const problem = constraints.map(constraintProblem).find((found) => found !== null)
  if (problem !== undefined) throw badRequest(`invalid service spec: ${problem}`)
}

function refuseFixedFields(before: ServiceSpec, wanted: ServiceSpec): void {
  if (wanted.Name !== before.Name) {
    throw notYet('changing the Name of a service has no effect yet', 'create it anew')
  }
  if ((wanted.Mode?.Global === undefined) !== (before.Mode?.Global === undefined)) {
    throw notYet('changing the Mode of a service has no effect yet', 'create it anew')
  }
  const difference = firstDifference(comparable(before), comparable(wanted), 'TaskTemplate')
  if (difference === null) return
  throw notYet(
    `changing ${difference} of a service has no effect yet`,
    'remove the service and create it anew; replicas, labels and ports can be changed',
  )
}

/** With defaults and the image's tag filled in: docker's client adds `latest` to every update. */
function comparable(spec: ServiceSpec): TaskSpec {
  const { TaskTemplate: task } = withDefaults(spec)
  const { Image } = task.ContainerSpec
  const isTagged = Image.includes('@') || Image.lastIndexOf(':') > Image.lastIndexOf('/')
  const tagged = isTagged ? Image : `${Image}:latest`
  return { ...task, ContainerSpec: { ...task.ContainerSpec, Image: tagged } }
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
