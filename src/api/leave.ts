import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { ApiContext } from './api-context.ts'
import { complain, hasStatus } from './api-error.ts'
import { isSet, type Exchange } from './exchange.ts'
import { arithmetic, canAgree, remainingManagers } from './manager-quorum.ts'
import { updateSpec } from './node-role.ts'
import { findNode } from './nodes.ts'

const demotedWithinMs = 10_000
const lookEveryMs = 100

/** This node leaves its cluster; the answer comes first, then its daemon stops its tasks and ends. */
export async function leaveSwarm(context: ApiContext, exchange: Exchange): Promise<void> {
  if (exchange.caller.kind !== 'local') {
    throw complain({
      status: 403,
      code: 'api/not-admitted',
      what: 'another node cannot make this one leave',
      hint: 'ask on its own socket',
    })
  }
  if (context.isManager) await leaveAsManager(context, isSet(exchange.query, 'force'))
  exchange.res.once('close', () => context.deps.leave())
  exchange.res.writeHead(200, { 'content-length': 0, connection: 'close' }).end()
}

async function leaveAsManager(context: ApiContext, isForced: boolean): Promise<void> {
  const { self } = context.deps.node
  const remaining = remainingManagers(self, context.localView())
  if (!isForced) {
    throw complain({
      status: 503,
      code: 'api/is-manager',
      what: 'this node is a manager, and leaving takes its vote away',
      why:
        remaining.total === 0
          ? 'it is the last manager: all that the swarm knows would be gone'
          : arithmetic(remaining),
      hint: canAgree(remaining)
        ? 'demote it first, or use --force, which does that'
        : '--force leaves all the same; what stays of the swarm could agree on nothing',
    })
  }
  if (canAgree(remaining)) await goInOrder(context)
}

/** Out of Raft first, so that the others need no votes that never come; in vain, it goes anyway. */
async function goInOrder(context: ApiContext): Promise<void> {
  const { node, clock, log } = context.deps
  try {
    const own = findNode(await context.currentView(), 'self', node.self)
    await updateSpec(context, own, { ...own.body.Spec, Role: 'worker' })
  } catch (error) {
    if (!(error instanceof MeshError) && !hasStatus(error, 503)) throw error
    log.warn({ err: error }, 'leaving without having been demoted')
    return
  }
  const deadlineMs = clock.monotonicMs() + demotedWithinMs
  while (node.role === 'manager' && clock.monotonicMs() < deadlineMs) {
    await new Promise<void>((resolve) => void clock.after(lookEveryMs, resolve))
  }
}
