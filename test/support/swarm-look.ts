import type { ApiNode, ApiTask, ServiceSpec } from '../../src/client/types.ts'
import type { InspectedService } from './swarm-api.ts'

/** What an operator sees of one service, free of ids, times and choices that are left to chance. */
export interface Look {
  /** Running tasks per node. */
  readonly placed: string
  /** Tasks that are wanted: slot and state, and why they have no node. */
  readonly live: string
  /** Tasks that are over: slot, state, desired state, how they ended. */
  readonly over: string
  /** Which version of the container the wanted tasks are. */
  readonly versions: string
  readonly update: string
  readonly updateMessage: string
  readonly spec: string
  readonly previous: string
}

/** What is left to chance is not compared. */
export interface Precision {
  /** How many tasks each node runs; without names when nothing is said. */
  readonly placed?: 'by name' | 'unnamed' | 'in total'
  /** Slot or node of each task; told when nothing is said. */
  readonly slots?: boolean
}

export interface Seen {
  readonly service: InspectedService
  readonly tasks: readonly ApiTask[]
  readonly nodes: readonly ApiNode[]
}

export function lookAt({ service, tasks, nodes }: Seen, precision: Precision): Look {
  const names = new Map(nodes.map((node) => [node.ID, node.Description.Hostname]))
  const placeOf = (task: ApiTask): string => {
    if (precision.slots === false) return ''
    return `${task.Slot ?? names.get(task.NodeID ?? '') ?? '?'} `
  }
  const live = tasks.filter(isLive)
  const over = tasks.filter((task) => !isLive(task))
  const { UpdateStatus: status, Spec, PreviousSpec } = service
  return {
    placed: placement(live.filter(isRunning), names, precision),
    live: counted(live.map((task) => placeOf(task) + stateOf(task))),
    over: counted(over.map((task) => placeOf(task) + endOf(task))),
    versions: counted(live.map((task) => versionOf(task.Spec))),
    update: status?.State ?? 'none',
    updateMessage: meaningOfUpdate(status?.Message ?? ''),
    spec: describe(Spec),
    previous: PreviousSpec == null ? 'none' : describe(PreviousSpec),
  }
}

/**
 * Something is still to happen by itself. What waits for a node may wait for ever; what is over as
 * far as anybody wants stays as it was on a node that is down, but what is wanted leaves it.
 */
export function isUnderWay({ service, tasks, nodes }: Seen): boolean {
  if (/^(updating|rollback_started)$/.test(service.UpdateStatus?.State ?? '')) return true
  const down = new Set(nodes.filter((node) => node.Status.State === 'down').map(({ ID }) => ID))
  const isDown = ({ NodeID = '' }: ApiTask): boolean => down.has(NodeID)
  return tasks.some((task) =>
    isLive(task) ? isBetween(task) || isDown(task) : isStopping(task) && !isDown(task),
  )
}

const ended = new Set(['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned'])
const hasEnded = ({ Status }: ApiTask): boolean => ended.has(Status.State)
const isLive = (task: ApiTask): boolean =>
  !hasEnded(task) && (task.DesiredState === 'running' || task.DesiredState === 'ready')
const isRunning = ({ Status }: ApiTask): boolean => Status.State === 'running'
const isStopping = (task: ApiTask): boolean => task.NodeID !== undefined && !hasEnded(task)
const isBetween = (task: ApiTask): boolean =>
  task.DesiredState === 'ready' || !(isRunning(task) || task.Status.State === 'pending')

function placement(
  running: readonly ApiTask[],
  names: ReadonlyMap<string, string>,
  { placed = 'unnamed' }: Precision,
): string {
  if (placed === 'in total') return String(running.length)
  const counts = new Map<string, number>()
  for (const { NodeID = '' } of running) counts.set(NodeID, (counts.get(NodeID) ?? 0) + 1)
  if (placed === 'by name')
    return listed([...counts].map(([id, count]) => `${names.get(id)}=${count}`))
  return [...counts.values()].sort((left, right) => right - left).join(' ')
}

function stateOf({ Status, DesiredState }: ApiTask): string {
  const desired = DesiredState === 'running' ? '' : `/${DesiredState}`
  const why = Status.Err ?? ''
  return `${Status.State}${desired}${why === '' ? '' : ` (${meaningOfPending(why)})`}`
}

const endOf = ({ Status, DesiredState }: ApiTask): string =>
  `${Status.State}/${DesiredState} (${meaningOfEnd(Status.Err ?? '', Status.Message ?? '')})`

function meaningOfEnd(error: string, message: string): string {
  const exit = /non-zero exit \((\d+)\)/.exec(error)
  if (exit !== null) return `exit ${exit[1]}`
  return error === '' ? message : error
}

/** What keeps how many nodes out, in any order; Swarm does not count those that are full. */
function meaningOfPending(text: string): string {
  const nodesOf = new Map<string, number>()
  for (const reason of (/\((.*)\)$/s.exec(text)?.[1] ?? text).split('; ')) {
    const [meaning = reason] = reasons.find(([, pattern]) => pattern.test(reason)) ?? []
    const nodes = Number(/(\d+) nodes?/.exec(reason)?.[1] ?? 0)
    nodesOf.set(meaning, (nodesOf.get(meaning) ?? 0) + nodes)
  }
  return listed(
    [...nodesOf].map(([meaning, nodes]) =>
      meaning === 'max replicas' ? meaning : `${meaning}: ${nodes}`,
    ),
  )
}

const reasons: readonly (readonly [string, RegExp])[] = [
  ['constraint', /constraint/],
  ['resources', /insufficient/],
  ['max replicas', /max replicas/],
  ['unavailable', /not available|drained|paused|down/],
]

/** Without the id of the task that it names. */
function meaningOfUpdate(message: string): string {
  return message.replaceAll(/task [a-z0-9]{20,}( \([^)]*\))?/g, 'task X')
}

const versionOf = (template: ApiTask['Spec']): string => {
  const { Env = [] } = template.ContainerSpec as { readonly Env?: readonly string[] }
  return Env.find((line) => line.startsWith('V=')) ?? 'V=?'
}

function describe({ TaskTemplate, Mode }: ServiceSpec): string {
  const size = Mode.Replicated === undefined ? 'global' : `x${Mode.Replicated.Replicas ?? 1}`
  return `${versionOf(TaskTemplate)} ${size}`
}

const listed = (lines: readonly string[]): string => lines.toSorted().join(', ')

function counted(lines: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  return listed([...counts].map(([line, count]) => (count === 1 ? line : `${line} x${count}`)))
}
