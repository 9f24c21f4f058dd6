import type { Option } from 'commander'
import { isNotFound } from '../client/client-error.ts'
import type { ApiService, ApiTask, PortConfig } from '../client/types.ts'
import { CommandError, exitCodes, usage } from './command-error.ts'
import { converge, type WaitOptions } from './converge.ts'
import { Given, onOff, single } from './flag.ts'
import { shortId, shortImage } from './human.ts'
import { pinImage } from './image-pin.ts'
import { printListing, printObjects, type Listing, type Row } from './listing.ts'
import { count, durationNs } from './quantities.ts'
import { prettyService, waitingLines } from './service-pretty.ts'
import { closedDoorLines } from './service-urls.ts'
import { createdSpec } from './service-spec.ts'
import { forEach, parseFilterFlags, retryOutOfSequence, type Session } from './session.ts'
import { printTasks } from './task-listing.ts'

export interface WaitFlags {
  readonly detach?: boolean
  readonly quiet?: boolean
  readonly timeout?: string
}

export const waitFlagOptions: readonly Option[] = [
  ...onOff('-d, --detach', 'do not wait'),
  ...onOff('-q, --quiet', 'wait without showing progress'),
  single('--timeout <duration>', 'give up waiting (default 10m; 60s when nothing can be placed)'),
]

export const waitOptions = ({ quiet, timeout }: WaitFlags): WaitOptions => ({
  isQuiet: quiet === true,
  timeoutMs: timeout === undefined ? null : durationNs('--timeout', timeout) / 1e6,
})

export async function createService(
  session: Session,
  [image = '', ...args]: readonly string[],
  flags: WaitFlags,
): Promise<void> {
  const options = waitOptions(flags)
  const given = new Given(flags, session.io.env)
  const wanted = createdSpec(image, args, given)
  const { spec, registryAuth } = await pinImage(session, wanted, given)
  const { ID } = await session.client.createService(spec, registryAuth)
  session.io.out(`${ID}\n`)
  if (flags.detach !== true) await converge(session, ID, options)
}

const columns: Listing['columns'] = [
  ['ID', 'ID'],
  ['Name', 'NAME'],
  ['Mode', 'MODE'],
  ['Replicas', 'REPLICAS'],
  ['Image', 'IMAGE'],
  ['Ports', 'PORTS'],
]

interface ListFlags {
  readonly quiet?: boolean
  readonly format?: string
  readonly filter?: readonly string[]
}

export async function listServices(session: Session, flags: ListFlags): Promise<void> {
  const services = await session.client.services(parseFilterFlags(flags.filter))
  const rows = [...services].sort(byName).map((service) => rowOf(service, flags.quiet === true))
  printListing(session.io, { columns, rows }, flags)
}

function rowOf(service: ApiService, isWhole: boolean): Row {
  const { Spec, ServiceStatus: status } = service
  const limit = Spec.TaskTemplate.Placement?.MaxReplicas ?? 0
  const replicas = `${status?.RunningTasks ?? 0}/${status?.DesiredTasks ?? 0}`
  const plain = {
    ID: isWhole ? service.ID : shortId(service.ID),
    Name: Spec.Name,
    Mode: Spec.Mode.Global === undefined ? 'replicated' : 'global',
    Replicas: limit === 0 ? replicas : `${replicas} (max ${limit} per node)`,
    Image: shortImage(Spec.TaskTemplate.ContainerSpec.Image),
    Ports: (service.Endpoint?.Ports ?? []).map(portText).join(', '),
  }
  return { plain }
}

const portText = ({ PublishedPort, TargetPort, Protocol }: PortConfig): string =>
  `*:${PublishedPort ?? ''}->${TargetPort}/${Protocol ?? 'tcp'}`

const byName = (left: ApiService, right: ApiService): number =>
  left.Spec.Name < right.Spec.Name ? -1 : 1

interface PsFlags extends ListFlags {
  readonly trunc: boolean
  readonly resolve: boolean
}

export async function listServiceTasks(
  session: Session,
  names: readonly string[],
  flags: PsFlags,
): Promise<void> {
  const tasks: ApiTask[] = []
  const waiting: string[] = []
  let found = 0
  const filters = parseFilterFlags(flags.filter)
  const collect = async (name: string): Promise<void> => {
    const { ID } = await findService(session, name)
    found++
    const ofService = await session.client.tasks({ ...filters, service: [ID] })
    tasks.push(...ofService)
    if (!ofService.some(isWaiting)) return
    waiting.push(...waitingLines(await session.client.explain(ID)))
  }
  try {
    await forEach(names, session, collect)
  } finally {
    if (found > 0) await printTasks(session, tasks, flags)
    // For people: what reads the table, or an own format, gets nothing else on stdout.
    if (flags.quiet !== true && flags.format === undefined) {
      for (const line of waiting) session.io.err(`${line}\n`)
    }
  }
}

const isWaiting = ({ NodeID, DesiredState }: ApiTask): boolean =>
  NodeID === undefined && (DesiredState === 'running' || DesiredState === 'ready')

export async function inspectServices(
  session: Session,
  names: readonly string[],
  flags: { readonly pretty?: boolean; readonly format?: string },
): Promise<void> {
  const found: ApiService[] = []
  const insertDefaults = flags.pretty === true
  try {
    await forEach(names, session, async (name) => {
      found.push(await findService(session, name, insertDefaults))
    })
  } finally {
    if (flags.pretty === true) await printPretty(session, found)
    else printObjects(session.io, found, { ...flags, optional: ['UpdateStatus', 'PreviousSpec'] })
  }
}

async function printPretty(session: Session, services: readonly ApiService[]): Promise<void> {
  const nodes = services.length === 0 ? [] : await session.client.nodes()
  for (const service of services) {
    const explanation = await session.client.explain(service.ID)
    const closed = closedDoorLines(service, nodes)
    session.io.out(prettyService(service, { explanation, closed }))
  }
}

export async function findService(
  { client }: Session,
  name: string,
  insertDefaults = false,
): Promise<ApiService> {
  try {
    return await client.service(name, { insertDefaults })
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new CommandError(exitCodes.notFound, {
      what: `no such service: ${name}`,
      hint: 'meshctl service ls',
    })
  }
}

export async function scaleServices(
  session: Session,
  orders: readonly string[],
  flags: WaitFlags,
): Promise<void> {
  const options = waitOptions(flags)
  const parsed = orders.map(parseScale)
  const scaled: string[] = []
  await forEach(parsed, session, async ({ name, replicas }) => {
    scaled.push(await scaleOne(session, name, replicas))
    session.io.out(`${name} scaled to ${replicas}\n`)
  })
  if (flags.detach === true) return
  for (const id of scaled) await converge(session, id, options)
}

function parseScale(order: string): { name: string; replicas: number } {
  const match = /^([^=]+)=(\d+)$/.exec(order)
  if (match?.[1] === undefined) throw usage(`invalid scale ${JSON.stringify(order)}`, 'web=3')
  return { name: match[1], replicas: count('scale', match[2] ?? '') }
}

async function scaleOne(session: Session, name: string, replicas: number): Promise<string> {
  let id = ''
  await retryOutOfSequence(async () => {
    const service = await findService(session, name)
    if (service.Spec.Mode.Global !== undefined) {
      throw new CommandError(exitCodes.error, {
        what: `service ${name} cannot be scaled`,
        why: 'it is global: one task a node',
      })
    }
    const spec = { ...service.Spec, Mode: { Replicated: { Replicas: replicas } } }
    id = service.ID
    await session.client.updateService(id, service.Version.Index, { spec })
  })
  return id
}

export async function removeServices(session: Session, names: readonly string[]): Promise<void> {
  await forEach(names, session, async (name) => {
    const { ID } = await findService(session, name)
    await session.client.removeService(ID)
    session.io.out(`${name}\n`)
  })
}
