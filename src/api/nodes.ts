import type { Node } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { conflict } from './api-error.ts'
import { decode } from './decode.ts'
import { isSet, requiredVersion, sendJson, type Exchange } from './exchange.ts'
import { nameOf, refuseManagerRemoval, updateSpec } from './node-role.ts'
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

const namesOf = (node: Found<Node>): string[] => [nameOf(node)]

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
  await updateSpec(context, { ...old, version }, spec)
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}

export async function removeNode(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  const node = findNode(view, reference, context.deps.node.self)
  if (isUp(node, view) && !isSet(exchange.query, 'force')) {
    throw conflict(
      `node ${nameOf(node)} is not down and can't be removed`,
      'its tasks run, and it would be shut out at once',
      'stop meshd on it first, or use --force',
    )
  }
  refuseManagerRemoval(node, context)
  await context.write([{ kind: 'delete', ref: { kind: 'node', id: node.id }, ifVersion: null }])
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}
