import { drawId } from '../../mesh/base/ids.ts'
import type { Service, ServiceSpec } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import { badRequest, hasStatus } from './api-error.ts'
import type { ApiContext } from './api-context.ts'
import { decode } from './decode.ts'
import { isSet, requiredVersion, sendJson, type Exchange } from './exchange.ts'
import { parseFilters, passes, passesLabels, type Filters } from './filters.ts'
import { sendList } from './list-answer.ts'
import { all, find, type Found } from './lookup.ts'
import { registryAuthOf, registryAuthOfUpdate, withRegistryAuth } from './registry-auth.ts'
import { renderService, serviceStatuses } from './render.ts'
import { readJson } from './request-body.ts'
import { draftService, redraftService, rollBackService } from './service-draft.ts'
import { serviceSpecSchema } from './service-schema.ts'
import { withDefaults } from './spec-defaults.ts'

const filterKeys = ['id', 'name', 'label', 'mode', 'runtime']

export async function listServices(context: ApiContext, exchange: Exchange): Promise<void> {
  const filters = parseFilters(exchange.query, filterKeys)
  const view = await context.currentView()
  const statusOf = isSet(exchange.query, 'status') ? serviceStatuses(view) : () => null
  const services = all<Service>(view.catalog, 'service').filter((service) =>
    isWanted(service, filters),
  )
  await sendList(exchange, services, (service) => renderService(service, statusOf(service)))
}

function isWanted({ id, body }: Found<Service>, filters: Filters): boolean {
  const mode = body.Spec.Mode?.Global === undefined ? 'replicated' : 'global'
  return (
    passes(filters, 'id', (start) => id.startsWith(start)) &&
    passes(filters, 'name', (start) => body.Spec.Name.startsWith(start)) &&
    passes(filters, 'mode', (wanted) => wanted === mode) &&
    passesLabels(filters, 'label', body.Spec.Labels ?? {})
  )
}

const namesOf = ({ body }: Found<Service>): string[] => [body.Spec.Name]

export function findService(view: ClusterView, reference: string): Found<Service> {
  return find<Service>(view.catalog, { kind: 'service', reference, names: namesOf })
}

export async function inspectService(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  const service = findService(view, reference)
  const spec = isSet(exchange.query, 'insertDefaults')
    ? withDefaults(service.body.Spec)
    : service.body.Spec
  const shown = { ...service, body: { ...service.body, Spec: spec } }
  sendJson(exchange, 200, renderService(shown, serviceStatuses(view)(service)))
}

export async function createService(context: ApiContext, exchange: Exchange): Promise<void> {
  context.refuseOnWorker()
  const submitted = decode(serviceSpecSchema, await readJson(exchange.req), 'service spec')
  const id = drawId(context.deps.random)
  const named = { ...submitted, Name: submitted.Name || `service-${id.slice(0, 8)}` }
  const spec = withRegistryAuth(named, registryAuthOf(exchange.req))
  await againIfPortWasTaken(spec, async () => {
    const draft = draftService(spec, { view: await context.currentView(), deps: context.deps })
    await context.write([{ kind: 'create', object: { kind: 'service', id, ...draft } }])
  })
  sendJson(exchange, 201, { ID: id, Warnings: null })
}

const portAttempts = 3

/** Two services may be given the same free port at the same moment; only the table can tell. */
async function againIfPortWasTaken(spec: ServiceSpec, write: () => Promise<void>): Promise<void> {
  const isFreeChoice = (spec.EndpointSpec?.Ports ?? []).some((port) => !port.PublishedPort)
  for (let attempt = 1; ; attempt++) {
    try {
      return await write()
    } catch (error) {
      if (!isFreeChoice || attempt === portAttempts || !hasStatus(error, 409)) throw error
    }
  }
}

export async function updateService(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  context.refuseOnWorker()
  const version = requiredVersion(exchange.query)
  const isRollback = asksForRollback(exchange.query)
  const body = await readJson(exchange.req)
  const submitted = isRollback ? null : decode(serviceSpecSchema, body, 'service spec')
  const view = await context.currentView()
  const old = findService(view, reference)
  const around = { view, deps: context.deps }
  const draft =
    submitted === null
      ? rollBackService(old, around)
      : redraftService(old, withRegistryAuth(submitted, authOf(exchange, old)), around)
  const object = { kind: 'service', id: old.id, ...draft }
  await context.write([{ kind: 'update', object, ifVersion: version }])
  sendJson(exchange, 200, { Warnings: null })
}

/** The spec that is sent along says nothing then: clients send the one that they have. */
function asksForRollback(query: URLSearchParams): boolean {
  const asked = query.get('rollback') ?? ''
  if (asked === '' || asked === 'previous') return asked === 'previous'
  throw badRequest(`unrecognized Rollback option ${asked}`, undefined, 'use rollback=previous')
}

const authOf = ({ req, query }: Exchange, { body }: Found<Service>): string | null =>
  registryAuthOfUpdate(req, query.get('registryAuthFrom'), body)

export async function removeService(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const service = findService(await context.currentView(), reference)
  await context.write([
    { kind: 'delete', ref: { kind: 'service', id: service.id }, ifVersion: null },
  ])
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}
