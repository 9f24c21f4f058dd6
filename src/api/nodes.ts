import type { Node } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { asJson } from './as-json.ts'
import { conflict, notYet } from './api-error.ts'
import { decode } from './decode.ts'
import { isSet, requiredVersion, sendJson, type Exchange } from './exchange.ts'
import { parseFilters, passes, passesLabels, type Filters } from './filters.ts'
import { all, find, type Found } from './lookup.ts'
import { isUp, renderNode } from './render.ts'
import { readJson } from './request-body.ts'
import { nodeSpecSchema } from './service-schema.ts'

const filterKeys = ['id', 'name', 'label', 'node.label', 'membership', 'role']

export async function listNodes(context: ApiContext, exchange: Exchange): Promise<void> {
  const filters = parseFilters(exchange.query, filterKeys)
  const view = await context.currentView()
  const { leader } = context.deps.node.leader()
  const nodes = all<Node>(view.catalog, 'node')
    .filter((node) => isWanted(node, filters))
    .map((node) => renderNode(node, view, leader))
  sendJson(exchange, 200, nodes)
}

function isWanted({ id, body }: Found<Node>, filters: Filters): boolean {
  return (
    passes(filters, 'id', (start) => id.startsWith(start)) &&
    passes(filters, 'name', (start) => body.Description.Hostname.startsWith(start)) &&
    passes(filters, 'role', (role) => role === body.Spec.Role) &&
    passes(filters, 'membership', (membership) => membership === 'accepted') &&
    passesLabels(filters, 'label', body.Description.Engine.Labels ?? {}) &&
    passesLabels(filters, 'node.label', body.Spec.Labels ?? {})
  )
}

const namesOf = ({ body }: Found<Node>): string[] => [body.Spec.Name || body.Description.Hostname]

/** `self` is ours: the node that answers. */
export function findNode(view: ClusterView, reference: string, self: string): Found<Node> {
  const wanted = reference === 'self' ? self : reference
  return find<Node>(view.catalog, { kind: 'node', reference: wanted, names: namesOf })
}

export async function inspectNode(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  const node = findNode(view, reference, context.deps.node.self)
  sendJson(exchange, 200, renderNode(node, view, context.deps.node.leader().leader))
}

export async function updateNode(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  context.refuseOnWorker()
  const version = requiredVersion(exchange.query)
  const spec = decode(nodeSpecSchema, await readJson(exchange.req), 'node spec')
  const old = findNode(await context.currentView(), reference, context.deps.node.self)
  if (spec.Role !== old.body.Spec.Role) {
    throw notYet(
      'changing the Role of a node has no effect yet',
      `join it anew with a token for ${spec.Role}s`,
    )
  }
  const body = { ...old.body, Spec: spec }
  const object = { kind: 'node', id: old.id, claims: old.claims, body: asJson(body) }
  await context.write([{ kind: 'update', object, ifVersion: version }])
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}

export async function removeNode(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  const node = findNode(view, reference, context.deps.node.self)
  refuseRemoval(node, view, {
    self: context.deps.node.self,
    isForced: isSet(exchange.query, 'force'),
  })
  await context.write([{ kind: 'delete', ref: { kind: 'node', id: node.id }, ifVersion: null }])
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}

function refuseRemoval(
  node: Found<Node>,
  view: ClusterView,
  { self, isForced }: { readonly self: string; readonly isForced: boolean },
): void {
  const name = node.body.Description.Hostname
  if (node.id === self) {
    throw conflict(`node ${name} cannot remove itself`, undefined, 'ask another manager')
  }
  if (isUp(node, view) && !isForced) {
    throw conflict(
      `node ${name} is not down and can't be removed`,
      'its tasks run, and it would be shut out at once',
      'stop meshd on it first, or use --force',
    )
  }
  if (node.body.Spec.Role === 'manager') refuseLossOfQuorum(node, view)
}

/** The managers that stay must be able to agree without the one that goes. */
function refuseLossOfQuorum(node: Found<Node>, view: ClusterView): void {
  const remaining = all<Node>(view.catalog, 'node').filter(
    ({ id, body }) => body.Spec.Role === 'manager' && id !== node.id,
  )
  const reachable = remaining.filter((manager) => isUp(manager, view)).length
  if (reachable > remaining.length / 2) return
  throw conflict(
    `removing manager ${node.body.Description.Hostname} would cost the cluster its quorum`,
    `only ${reachable} of the other ${remaining.length} managers can be reached`,
    'bring the others back first',
  )
}
