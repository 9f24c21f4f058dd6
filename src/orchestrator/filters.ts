import { beingStopped, type NodeRecord } from '../model/docker.ts'
import type { NodeView } from '../model/node-view.ts'
import { beyondProcess } from '../model/process-limits.ts'
import type { Platform, TaskSpecView } from '../model/task-spec-view.ts'
import { normalArchitecture, parseConstraint, satisfies } from './constraint.ts'
import type { Presence } from './lost-nodes.ts'
import type { NodeLoad } from './node-load.ts'

export type FilterName =
  | 'readiness'
  | 'availability'
  | 'constraint'
  | 'platform'
  | 'runtime'
  | 'resources'
  | 'host-port'
  | 'max-replicas'

export interface Candidate {
  readonly node: NodeView
  readonly presence: Presence
  readonly record: NodeRecord | undefined
  readonly load: NodeLoad
}

export interface Needs {
  readonly serviceId: string
  readonly spec: TaskSpecView
  /** 0: that of a global service, or a new one. */
  readonly slot: number
}

export interface Filter {
  readonly name: FilterName
  /** About what the node is, not about how it is doing: a running task must keep passing it. */
  readonly isLasting: boolean
  /** Why not, in words that fit many nodes; null when it passes. */
  readonly refuses: (candidate: Candidate, needs: Needs) => string | null
}

/** Cheapest and most telling first: nobody counts the memory of a node that is down. */
export const filters: readonly Filter[] = [
  { name: 'readiness', isLasting: false, refuses: notReady },
  { name: 'availability', isLasting: false, refuses: notAvailable },
  { name: 'constraint', isLasting: true, refuses: constraintNotSatisfied },
  { name: 'platform', isLasting: true, refuses: wrongPlatform },
  { name: 'runtime', isLasting: true, refuses: runtimeCannotRun },
  { name: 'resources', isLasting: false, refuses: insufficientResources },
  { name: 'host-port', isLasting: false, refuses: hostPortInUse },
  { name: 'max-replicas', isLasting: false, refuses: maxReplicasReached },
]

function notReady({ presence, record }: Candidate): string | null {
  switch (presence) {
    case 'dead':
    case 'left':
      return 'down'
    case 'unseen':
      return 'not seen yet'
    case 'suspect':
      return 'not answering at the moment'
    case 'alive':
      if (record === undefined) return 'still starting'
      if (record.engineReady) return null
      return record.message === beingStopped ? 'being stopped' : 'container engine does not answer'
  }
}

function notAvailable({ node }: Candidate): string | null {
  if (node.availability === 'active') return null
  return node.availability === 'drain' ? 'drained' : 'paused'
}

function constraintNotSatisfied({ node }: Candidate, { spec }: Needs): string | null {
  const failed = spec.constraints.find((text) => {
    const constraint = parseConstraint(text)
    return constraint === null || !satisfies(node, constraint)
  })
  return failed === undefined ? null : `constraint ${failed} not satisfied`
}

/** A process is of the node's own platform, whatever its image says. */
function wrongPlatform({ node }: Candidate, { spec }: Needs): string | null {
  if (node.runtime === 'process' || spec.platforms.length === 0) return null
  if (spec.platforms.some((platform) => isOn(node, platform))) return null
  const names = spec.platforms.map(({ os, architecture }) => `${os}/${architecture}`)
  return `image is for ${names.join(', ')}`
}

function isOn(node: NodeView, { os, architecture }: Platform): boolean {
  const isOs = os === '' || os.toLowerCase() === node.platform.os.toLowerCase()
  const own = normalArchitecture(node.platform.architecture)
  return isOs && (architecture === '' || normalArchitecture(architecture) === own)
}

const builtInImage = /^(?:docker\.io\/)?meshd\/whoami(?::[\w.-]+)?(?:@\S+)?$/

/** The `process` runtime knows no images but the built-in one. */
function runtimeCannotRun({ node }: Candidate, { spec }: Needs): string | null {
  if (node.runtime !== 'process') return null
  const hasCommand = spec.command.length > 0 || spec.args.length > 0
  if (!hasCommand && !builtInImage.test(spec.image)) return 'runtime process needs a command'
  const setting = beyondProcess(spec.settings, spec.logDriver)
  return setting === null ? null : `runtime process has no ${setting}`
}

function insufficientResources({ node, load }: Candidate, { spec }: Needs): string | null {
  const { nanoCpus, memoryBytes } = spec.reservations
  const { resources } = node
  if (nanoCpus > 0 && load.reserved.nanoCpus + nanoCpus > resources.nanoCpus) {
    return 'insufficient CPU'
  }
  if (memoryBytes > 0 && load.reserved.memoryBytes + memoryBytes > resources.memoryBytes) {
    return 'insufficient memory'
  }
  return null
}

/** Tasks on their way out still hold theirs. */
function hostPortInUse({ load }: Candidate, { spec }: Needs): string | null {
  const taken = spec.hostPorts.find((port) => load.holdsPort(port))
  if (taken === undefined) return null
  return `host-mode port ${taken.publishedPort}/${taken.protocol} already in use`
}

function maxReplicasReached({ load }: Candidate, { serviceId, spec, slot }: Needs): string | null {
  const limit = spec.maxReplicasPerNode
  if (limit === 0 || load.slotsOf(serviceId, slot) < limit) return null
  return `max replicas per node (${limit}) reached`
}
