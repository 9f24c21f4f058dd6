import type { ApiNode, NodeSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { capitalized, humanBytes } from './human.ts'
import { printListing, printObjects, type Listing, type Row } from './listing.ts'
import { pairs } from './spec-parts.ts'
import { forEach, nodeName, parseFilterFlags, retryOutOfSequence, type Session } from './session.ts'
import { printTasks } from './task-listing.ts'

const columns: Listing['columns'] = [
  ['ID', 'ID'],
  ['Hostname', 'HOSTNAME'],
  ['Status', 'STATUS'],
  ['Availability', 'AVAILABILITY'],
  ['ManagerStatus', 'MANAGER STATUS'],
  ['Runtime', 'RUNTIME'],
  ['EngineVersion', 'ENGINE VERSION'],
]

interface ListFlags {
  readonly quiet?: boolean
  readonly format?: string
  readonly filter?: readonly string[]
}

export async function listNodes(session: Session, flags: ListFlags): Promise<void> {
  const { client, io } = session
  const [nodes, info] = await Promise.all([
    client.nodes(parseFilterFlags(flags.filter)),
    client.info(),
  ])
  const sorted = [...nodes].sort((left, right) => (nodeName(left) < nodeName(right) ? -1 : 1))
  const rows = sorted.map((node) => rowOf(node, node.ID === info.Swarm.NodeID))
  printListing(io, { columns, rows }, flags)
}

function rowOf(node: ApiNode, isSelf: boolean): Row {
  const { ManagerStatus: manager } = node
  const plain = {
    ID: node.ID,
    Self: String(isSelf),
    Hostname: nodeName(node),
    Status: capitalized(node.Status.State),
    Availability: capitalized(node.Spec.Availability),
    ManagerStatus: manager === undefined ? '' : roleWord(manager),
    Runtime: node.Description.Runtime ?? '',
    EngineVersion: node.Description.Engine?.EngineVersion ?? '',
    Address: node.Status.Addr,
  }
  return { plain, marked: { ID: isSelf ? `${node.ID} *` : node.ID, Runtime: runtimeWords(node) } }
}

function runtimeWords({ Description, Status }: ApiNode): string {
  const { Runtime = '' } = Description
  // Its engine does not answer, or it is being stopped; `node inspect` says which.
  if (Status.State === 'ready' && Status.Message) return `${Runtime} (takes no tasks)`
  // Said plainly: such a node runs commands of this machine's user, not containers.
  return Runtime === 'process' ? 'process (no containers)' : Runtime
}

const roleWord = ({ Leader, Reachability }: NonNullable<ApiNode['ManagerStatus']>): string =>
  Leader === true ? 'Leader' : capitalized(Reachability)

export async function inspectNodes(
  session: Session,
  names: readonly string[],
  flags: { readonly pretty?: boolean; readonly format?: string },
): Promise<void> {
  const found: ApiNode[] = []
  try {
    await forEach(names, session, async (name) => void found.push(await session.client.node(name)))
  } finally {
    if (flags.pretty === true) for (const node of found) session.io.out(prettyNode(node))
    else printObjects(session.io, found, flags)
  }
}

function prettyNode(node: ApiNode): string {
  const { Description: description, ManagerStatus: manager, Spec: spec } = node
  const lines = [
    `ID:\t\t\t${node.ID}`,
    ...(spec.Name ? [`Name:\t\t\t${spec.Name}`] : []),
    ...labelLines('Labels:', spec.Labels),
    `Hostname:\t\t${description.Hostname}`,
    `Joined at:\t\t${node.CreatedAt}`,
    'Status:',
    ` State:\t\t\t${capitalized(node.Status.State)}`,
    ...(node.Status.Message ? [` Message:\t\t${node.Status.Message}`] : []),
    ` Availability:\t\t${capitalized(spec.Availability)}`,
    ` Address:\t\t${node.Status.Addr}`,
    ...(manager === undefined
      ? []
      : [
          'Manager Status:',
          ` Address:\t\t${manager.Addr}`,
          ` Raft Status:\t\t${capitalized(manager.Reachability)}`,
          ` Leader:\t\t${manager.Leader === true ? 'Yes' : 'No'}`,
        ]),
    'Platform:',
    ` Operating System:\t${description.Platform.OS}`,
    ` Architecture:\t\t${description.Platform.Architecture}`,
    'Resources:',
    ` CPUs:\t\t\t${(description.Resources?.NanoCPUs ?? 0) / 1e9}`,
    ` Memory:\t\t${humanBytes(description.Resources?.MemoryBytes ?? 0)}`,
    `Runtime:\t\t${description.Runtime ?? ''}`,
    `Engine Version:\t\t${description.Engine?.EngineVersion ?? ''}`,
    ...labelLines('Engine Labels:', description.Engine?.Labels),
    ...conflictLines(node),
    ...(node.Mesh?.UdpBlocked === true ? ['UDP:\t\t\tblocked, reached by TCP'] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** Published ports that do not answer on this node. */
function conflictLines({ Mesh }: ApiNode): string[] {
  const conflicts = Object.entries(Mesh?.PortConflicts ?? {})
  if (conflicts.length === 0) return []
  return ['Closed Ports:', ...conflicts.map(([port, reason]) => ` ${port}: ${reason}`)]
}

export function labelLines(title: string, labels: Readonly<Record<string, string>> = {}): string[] {
  const entries = Object.entries(labels)
  return entries.length === 0 ? [] : [title, ...entries.map(([key, value]) => ` - ${key}=${value}`)]
}

interface PsFlags extends ListFlags {
  readonly trunc: boolean
  readonly resolve: boolean
}

export async function listNodeTasks(
  session: Session,
  names: readonly string[],
  flags: PsFlags,
): Promise<void> {
  const ids: string[] = []
  const wanted = names.length === 0 ? ['self'] : names
  await forEach(
    wanted,
    session,
    async (name) => void ids.push((await session.client.node(name)).ID),
  )
  const tasks = await session.client.tasks({ ...parseFilterFlags(flags.filter), node: ids })
  await printTasks(session, tasks, flags)
}

interface UpdateFlags {
  readonly role?: string
  readonly availability?: string
  readonly labelAdd?: readonly string[]
  readonly labelRm?: readonly string[]
}

const availabilities = ['active', 'pause', 'drain']

export async function updateNode(
  session: Session,
  name: string,
  flags: UpdateFlags,
): Promise<void> {
  const { availability, role, labelAdd = [], labelRm = [] } = flags
  if (availability !== undefined && !availabilities.includes(availability)) {
    throw usage(`invalid --availability ${availability}`, `use ${availabilities.join(', ')}`)
  }
  if (role !== undefined && role !== 'manager' && role !== 'worker') {
    throw usage(`invalid --role ${role}`, 'use manager or worker')
  }
  const added = pairs('--label-add', labelAdd)
  await retryOutOfSequence(async () => {
    const node = await session.client.node(name)
    const kept = Object.entries(node.Spec.Labels ?? {}).filter(([key]) => !labelRm.includes(key))
    const spec: NodeSpec = {
      ...node.Spec,
      Labels: { ...Object.fromEntries(kept), ...added },
      ...(availability === undefined ? {} : { Availability: availability }),
      ...(role === undefined ? {} : { Role: role }),
    }
    await session.client.updateNode(node.ID, node.Version.Index, spec)
  })
  session.io.out(`${name}\n`)
}

/** The nodes follow within seconds: they ask for the certificate of their new role. */
export async function changeRole(
  session: Session,
  names: readonly string[],
  role: 'manager' | 'worker',
): Promise<void> {
  await forEach(names, session, async (name) => {
    const hadIt = await retryOutOfSequence(async () => {
      const node = await session.client.node(name)
      if (node.Spec.Role === role) return true
      await session.client.updateNode(node.ID, node.Version.Index, { ...node.Spec, Role: role })
      return false
    })
    session.io.out(hadIt ? `Node ${name} is already a ${role}.\n` : asChanged(name, role))
  })
}

const asChanged = (name: string, role: 'manager' | 'worker'): string =>
  role === 'manager'
    ? `Node ${name} promoted to a manager in the swarm.\n`
    : `Manager ${name} demoted in the swarm.\n`

export async function removeNodes(
  session: Session,
  names: readonly string[],
  flags: { readonly force?: boolean },
): Promise<void> {
  await forEach(names, session, async (name) => {
    await session.client.removeNode(name, flags.force === true)
    session.io.out(`${name}\n`)
  })
}
