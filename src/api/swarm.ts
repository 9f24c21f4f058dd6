import { randomBytes } from 'node:crypto'
import { drawId } from '../../mesh/base/ids.ts'
import type { Cluster } from '../model/docker.ts'
import { beginKeyChange } from '../model/gossip-key-ring.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { asJson } from './as-json.ts'
import { withLock } from './autolock.ts'
import { badRequest, notFound, notYet } from './api-error.ts'
import { saysNothing } from './decode.ts'
import type { ApiDeps } from './deps.ts'
import { isSet, requiredVersion, sendJson, type Exchange } from './exchange.ts'
import { all, type Found } from './lookup.ts'
import { envelope } from './render.ts'
import { readJson } from './request-body.ts'
import { firstDifference } from './same-value.ts'
import { authorityWish, withoutWish, withRotation } from './swarm-authority.ts'

export function findCluster(view: ClusterView): Found<Cluster> | null {
  return all<Cluster>(view.catalog, 'cluster')[0] ?? null
}

/** What everybody may know; no secret ever passes here. */
export function renderCluster(found: Found<Cluster>, deps: ApiDeps): object {
  return {
    ...envelope(found),
    Spec: { Name: 'default', ...found.body.Spec },
    TLSInfo: { TrustRoot: found.body.CaCertificatePem },
    RootRotationInProgress: found.body.CaRotation !== undefined,
    DefaultAddrPool: null,
    SubnetSize: 0,
    DataPathPort: deps.dataPathPort,
  }
}

export async function inspectSwarm(context: ApiContext, exchange: Exchange): Promise<void> {
  const cluster = clusterOf(await context.currentView())
  const { CaCertificatePem: pem, Secrets } = cluster.body
  const { joinToken } = context.deps
  sendJson(exchange, 200, {
    ...renderCluster(cluster, context.deps),
    JoinTokens: {
      Worker: joinToken(pem, Secrets.JoinSecrets.Worker),
      Manager: joinToken(pem, Secrets.JoinSecrets.Manager),
    },
  })
}

/** Rotates join secrets, unlock key and authority, locks managers; the other settings are fixed. */
export async function updateSwarm(context: ApiContext, exchange: Exchange): Promise<void> {
  context.refuseOnWorker()
  const { query } = exchange
  const version = requiredVersion(query)
  const submitted = await readJson(exchange.req)
  const view = await context.currentView()
  const cluster = clusterOf(view)
  const wish = authorityWish(cluster.body, submitted)
  refuseChangedSettings(cluster.body, withoutWish(cluster.body, submitted))
  const { Secrets } = cluster.body
  const { Worker, Manager } = Secrets.JoinSecrets
  const drawn = (): string => drawId(context.deps.random)
  const JoinSecrets = {
    Worker: isSet(query, 'rotateWorkerToken') ? drawn() : Worker,
    Manager: isSet(query, 'rotateManagerToken') ? drawn() : Manager,
  }
  const changed = withLock(
    { ...cluster.body, Secrets: { ...Secrets, JoinSecrets } },
    {
      submitted,
      isRotated: isSet(query, 'rotateManagerUnlockKey'),
      draw: context.deps.drawUnlockKey,
    },
  )
  const { deps } = context
  const body = asJson(wish === null ? changed : withRotation(changed, wish, { view, deps }))
  const object = { kind: 'cluster', id: cluster.id, claims: cluster.claims, body }
  await context.write([{ kind: 'update', object, ifVersion: version }])
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}

/** Empty while nothing is locked, as Docker has it. */
export async function showUnlockKey(context: ApiContext, exchange: Exchange): Promise<void> {
  const cluster = clusterOf(await context.currentView())
  sendJson(exchange, 200, { UnlockKey: cluster.body.Secrets.UnlockKey?.Key ?? '' })
}

/** Begins to replace the key of the gossip; the leader sees to the rest. */
export async function changeGossipKey(context: ApiContext, exchange: Exchange): Promise<void> {
  const { catalog } = await context.currentView()
  const key = randomBytes(32).toString('base64')
  await context.write(beginKeyChange(catalog, key, context.deps.clock.nowMs()))
  exchange.res.writeHead(200, { 'content-length': 0 }).end()
}

function clusterOf(view: ClusterView): Found<Cluster> {
  const cluster = findCluster(view)
  if (cluster === null) throw notFound('cluster', '')
  return cluster
}

/** Clients echo the spec; it may miss fields, but what it holds must be what is there. */
function refuseChangedSettings(cluster: Cluster, submitted: unknown): void {
  if (typeof submitted !== 'object' || submitted === null || Array.isArray(submitted)) {
    throw badRequest('invalid swarm spec: expected object')
  }
  const known: Readonly<Record<string, unknown>> = { Name: 'default', ...cluster.Spec }
  const changed = Object.entries(submitted).find(
    ([key, value]) =>
      key !== 'EncryptionConfig' &&
      !saysNothing(value) &&
      firstDifference(known[key], value, key) !== null,
  )
  if (changed !== undefined) throw notYet(`changing ${changed[0]} of the swarm has no effect yet`)
}
