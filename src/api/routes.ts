import type { ApiContext } from './api-context.ts'
import { notYet } from './api-error.ts'
import { refuseUnlock } from './autolock.ts'
import { restoreSnapshot, saveSnapshot } from './cluster-snapshot.ts'
import { distribution } from './distribution.ts'
import { streamEvents } from './events.ts'
import { sendJson, type Exchange } from './exchange.ts'
import { explainService } from './explanation.ts'
import { listIngress, reportIngress } from './ingress.ts'
import { leaveSwarm } from './leave.ts'
import { serviceLogs, taskLogs } from './logs.ts'
import { meshLogs } from './mesh-logs.ts'
import { metrics } from './metrics.ts'
import { inspectNode, listNodes, removeNode, updateNode } from './nodes.ts'
import {
  createService,
  inspectService,
  listServices,
  removeService,
  updateService,
} from './services.ts'
import { changeGossipKey, inspectSwarm, showUnlockKey, updateSwarm } from './swarm.ts'
import { info, ping, version } from './system.ts'
import { inspectTask, listTasks } from './tasks.ts'

type Handler = (context: ApiContext, exchange: Exchange, reference: string) => Promise<void> | void

export interface Route {
  readonly method: string
  /** `{}` stands for one part of the path, `{*}` for one or more. */
  readonly path: string
  readonly handle: Handler
}

/** Kinds that stack files and dashboards ask for; there are none of them yet. */
const kindsToCome = ['networks', 'secrets', 'configs'] as const

const routes: readonly Route[] = [
  { method: 'GET', path: '/_ping', handle: ping },
  { method: 'GET', path: '/version', handle: version },
  { method: 'GET', path: '/info', handle: info },
  { method: 'GET', path: '/nodes', handle: listNodes },
  { method: 'GET', path: '/nodes/{}', handle: inspectNode },
  { method: 'DELETE', path: '/nodes/{}', handle: removeNode },
  { method: 'POST', path: '/nodes/{}/update', handle: updateNode },
  { method: 'GET', path: '/services', handle: listServices },
  { method: 'POST', path: '/services/create', handle: createService },
  { method: 'GET', path: '/services/{}', handle: inspectService },
  { method: 'DELETE', path: '/services/{}', handle: removeService },
  { method: 'POST', path: '/services/{}/update', handle: updateService },
  { method: 'GET', path: '/services/{}/explanation', handle: explainService },
  { method: 'GET', path: '/services/{}/logs', handle: serviceLogs },
  { method: 'GET', path: '/tasks', handle: listTasks },
  { method: 'GET', path: '/tasks/{}', handle: inspectTask },
  { method: 'GET', path: '/tasks/{}/logs', handle: taskLogs },
  { method: 'GET', path: '/mesh/logs', handle: meshLogs },
  { method: 'POST', path: '/mesh/gossip-key/rotate', handle: changeGossipKey },
  { method: 'GET', path: '/mesh/ingress', handle: listIngress },
  { method: 'GET', path: '/mesh/ingress/self', handle: reportIngress },
  { method: 'GET', path: '/metrics', handle: metrics },
  { method: 'GET', path: '/mesh/snapshot', handle: saveSnapshot },
  { method: 'POST', path: '/mesh/snapshot', handle: restoreSnapshot },
  { method: 'GET', path: '/swarm', handle: inspectSwarm },
  { method: 'POST', path: '/swarm/update', handle: updateSwarm },
  {
    method: 'POST',
    path: '/swarm/init',
    handle: refuse('swarm init', 'start a cluster with meshd up'),
  },
  {
    method: 'POST',
    path: '/swarm/join',
    handle: refuse('swarm join', 'join with meshd up --join'),
  },
  { method: 'POST', path: '/swarm/leave', handle: leaveSwarm },
  { method: 'GET', path: '/swarm/unlockkey', handle: showUnlockKey },
  { method: 'POST', path: '/swarm/unlock', handle: refuseUnlock },
  { method: 'GET', path: '/events', handle: streamEvents },
  { method: 'GET', path: '/distribution/{*}/json', handle: distribution },
  ...kindsToCome.flatMap((kind): Route[] => [
    { method: 'GET', path: `/${kind}`, handle: listNone },
    { method: 'GET', path: `/${kind}/{}`, handle: refuse(kind) },
    { method: 'POST', path: `/${kind}/create`, handle: refuse(`${kind} create`) },
    { method: 'POST', path: `/${kind}/{}/update`, handle: refuse(`${kind} update`) },
    { method: 'DELETE', path: `/${kind}/{}`, handle: refuse(`${kind} rm`) },
  ]),
]

function listNone(context: ApiContext, exchange: Exchange): void {
  context.refuseOnWorker()
  sendJson(exchange, 200, [])
}

function refuse(what: string, hint?: string): Handler {
  return (context) => {
    context.refuseOnWorker()
    throw notYet(`${what} is not implemented yet`, hint)
  }
}

export type Match =
  | { readonly kind: 'found'; readonly handle: Handler; readonly reference: string }
  | { readonly kind: 'wrong-method'; readonly allowed: readonly string[] }
  | { readonly kind: 'no-such-page' }

interface CompiledRoute {
  readonly method: string
  readonly pattern: RegExp
  readonly handle: Handler
}

const compiled: readonly CompiledRoute[] = routes.map(({ method, path, handle }) => ({
  method,
  pattern: new RegExp(`^${path.replace('{*}', '(.+)').replace('{}', '([^/]+)')}/?$`),
  handle,
}))

/** HEAD is a GET whose answer has no body: Node leaves it out. */
export function match(method: string, path: string): Match {
  const fitting = compiled.filter((route) => route.pattern.test(path))
  const wanted = method === 'HEAD' ? 'GET' : method
  const route = fitting.find((candidate) => candidate.method === wanted)
  if (route !== undefined) {
    return { kind: 'found', handle: route.handle, reference: referenceIn(route, path) }
  }
  if (fitting.length === 0) return { kind: 'no-such-page' }
  return { kind: 'wrong-method', allowed: fitting.map((candidate) => candidate.method) }
}

function referenceIn(route: CompiledRoute, path: string): string {
  const part = route.pattern.exec(path)?.[1] ?? ''
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
