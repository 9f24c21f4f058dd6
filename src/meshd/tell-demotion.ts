import type { Log } from '../../mesh/base/log.ts'
import type { LocalMeshNode } from '../../mesh/node/local-mesh-node.ts'

/** A manager may find itself demoted when it comes back to a cluster that went on without it. */
export function tellDemotion(node: LocalMeshNode, name: string, log: Log): void {
  let { role } = node
  node.onIdentity((identity) => {
    const isDemoted = role === 'manager' && identity.role === 'worker'
    role = identity.role
    if (!isDemoted) return
    const command = `meshctl node promote ${name}`
    log.warn(
      {},
      `the cluster counts this node as a worker now; on a manager, to undo it: ${command}`,
    )
  })
}
