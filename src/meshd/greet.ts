import type { Log } from '../../mesh/base/log.ts'
import type { LocalMeshNode } from '../../mesh/node/local-mesh-node.ts'
import { formatHostPort } from '../../mesh/transport/host-address.ts'
import { unlockKeyOf } from '../model/autolock.ts'
import { meshPolicy } from '../model/mesh-policy.ts'
import { banner, joinLines, unlockLines } from './banner.ts'
import type { ClusterStore } from './cluster-store.ts'
import type { Config } from './config.ts'
import { version } from './version.ts'

export interface Greeting {
  readonly config: Config
  readonly name: string
  readonly how: 'founded' | 'joined' | 'resumed'
  readonly node: LocalMeshNode
  readonly store: ClusterStore
  readonly runtime: string
  readonly advertiseAddr: string
  readonly log: Log
}

/** Tells the operator that the node is up; a founder also tells how others join. */
export function greet({ config, name, how, node, store, ...more }: Greeting): void {
  const controlAddress = formatHostPort({ host: more.advertiseAddr, port: config.controlPort })
  const facts = { version, how, name, nodeId: node.self, role: node.role }
  more.log.info({ ...facts, cluster: node.clusterId, runtime: more.runtime }, 'meshd is up')
  const { clusterId } = node
  const { socketPath } = config
  process.stdout.write(banner({ ...facts, clusterId, socketPath, controlAddress, ...more }))
  if (how === 'founded') tellHowToJoin(store, controlAddress)
}

/** The founder's catalog holds the secrets as soon as it leads, which takes a moment. */
function tellHowToJoin(store: ClusterStore, controlAddress: string): void {
  const tell = (): boolean => {
    const authority = meshPolicy.authority(store.view.catalog)
    if (authority === null) return false
    const { caCertificatePem, joinSecrets } = authority
    const secrets = { managerSecret: joinSecrets.manager, workerSecret: joinSecrets.worker }
    process.stdout.write(joinLines({ caCertificatePem, ...secrets, controlAddress }))
    const unlockKey = unlockKeyOf(store.view.catalog)?.key ?? null
    if (unlockKey !== null) process.stdout.write(unlockLines(unlockKey))
    return true
  }
  if (tell()) return
  const end = store.onChange(() => {
    if (tell()) end()
  })
}
