import { silentLog } from '../../../mesh/base/log.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { IngressSupervisor } from '../../../src/meshd/ingress-supervisor.ts'
import type { RouteTable } from '../../../src/routing/route-table.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'

/** A daemon that only leads an ingress, to be killed by the test that forked it. */
interface Order {
  readonly identity: NodeIdentity
  readonly table: RouteTable
  readonly options: {
    readonly dataDir: string
    readonly listenAddr: string
    readonly dataPathPort: number
  }
}

process.once('message', (order: Order) => void lead(order))

async function lead(order: Order): Promise<void> {
  const supervisor = await IngressSupervisor.start({
    ...order.options,
    workers: 1,
    logFormat: 'json',
    logLevel: 'info',
    logName: '',
    log: silentLog,
    clock: systemClock,
  })
  supervisor.setIdentity(order.identity)
  supervisor.setRoutes(order.table)
  process.send?.('leads')
}
