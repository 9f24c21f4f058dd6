import type { ApiTask } from '../client/types.ts'
import { capitalized, humanDuration, shortId, shortImage, truncated } from './human.ts'
import { printListing, type Listing, type ListingOptions, type Row } from './listing.ts'
import { nodeName, type Session } from './session.ts'

export interface TaskListingOptions extends ListingOptions {
  readonly trunc: boolean
  readonly resolve: boolean
}

const columns: Listing['columns'] = [
  ['ID', 'ID'],
  ['Name', 'NAME'],
  ['Image', 'IMAGE'],
  ['Node', 'NODE'],
  ['DesiredState', 'DESIRED STATE'],
  ['CurrentState', 'CURRENT STATE'],
  ['Error', 'ERROR'],
  ['Ports', 'PORTS'],
]

/** `service ps` and `node ps`. */
export async function printTasks(
  session: Session,
  tasks: readonly ApiTask[],
  options: TaskListingOptions,
): Promise<void> {
  const names = options.resolve ? await namesOfNodes(session) : new Map<string, string>()
  const sorted = [...tasks].sort(bySlotThenNewest)
  const rows = sorted.map((task, at) => {
    const isOlder = at > 0 && slotOf(sorted[at - 1] as ApiTask) === slotOf(task)
    return rowOf(task, { names, isOlder, options, nowMs: session.io.nowMs() })
  })
  printListing(session.io, { columns, rows }, options)
}

async function namesOfNodes({ client }: Session): Promise<Map<string, string>> {
  const nodes = await client.nodes()
  return new Map(nodes.map((node) => [node.ID, nodeName(node)]))
}

interface Setting {
  readonly names: ReadonlyMap<string, string>
  readonly isOlder: boolean
  readonly options: TaskListingOptions
  readonly nowMs: number
}

function rowOf(task: ApiTask, { names, isOlder, options, nowMs }: Setting): Row {
  const { NodeID = '', Status } = task
  const ago = humanDuration(nowMs - Date.parse(Status.Timestamp))
  const name = taskName(task)
  const error = Status.Err ?? ''
  const shown = options.trunc ? truncated(error, 30) : error
  const plain = {
    ID: options.trunc ? shortId(task.ID) : task.ID,
    Name: name,
    Image: options.trunc
      ? shortImage(task.Spec.ContainerSpec.Image)
      : task.Spec.ContainerSpec.Image,
    Node: names.get(NodeID) ?? NodeID,
    DesiredState: capitalized(task.DesiredState),
    CurrentState: `${capitalized(Status.State)} ${ago} ago`,
    Error: error === '' ? '' : JSON.stringify(shown),
    Ports: '',
  }
  return { plain, marked: isOlder ? { Name: ` \\_ ${name}` } : {} }
}

export function taskName(task: ApiTask): string {
  return `${task.ServiceName}.${task.Slot ?? task.NodeID ?? ''}`
}

/** What one task after another fills: a slot, or a node where there are no slots. */
export const slotOf = (task: ApiTask): string =>
  `${task.ServiceID}/${task.Slot ?? task.NodeID ?? ''}`

function bySlotThenNewest(left: ApiTask, right: ApiTask): number {
  if (left.ServiceName !== right.ServiceName) return left.ServiceName < right.ServiceName ? -1 : 1
  const [slot, other] = [left.Slot ?? 0, right.Slot ?? 0]
  if (slot !== other) return slot - other
  if (slotOf(left) !== slotOf(right)) return slotOf(left) < slotOf(right) ? -1 : 1
  if (left.CreatedAt !== right.CreatedAt) return left.CreatedAt > right.CreatedAt ? -1 : 1
  return right.Version.Index - left.Version.Index
}
