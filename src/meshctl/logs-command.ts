import { isNotFound } from '../client/client-error.ts'
import type { LogSubject } from '../client/types.ts'
import { CommandError, exitCodes, usage } from './command-error.ts'
import { shortId } from './human.ts'
import { parseMoment } from './moment.ts'
import { nodeName, type Session } from './session.ts'

export interface LogFlags {
  readonly follow?: boolean
  readonly tail?: string
  readonly since?: string
  readonly until?: string
  readonly timestamps?: boolean
  readonly details?: boolean
  readonly raw?: boolean
  readonly resolve: boolean
  readonly taskIds: boolean
  readonly trunc: boolean
}

/** What a service or a task printed, as docker shows it: `web.1.<task>@<node>    | line`. */
export async function showLogs(
  session: Session,
  reference: string,
  flags: LogFlags,
): Promise<void> {
  const { io, client } = session
  const { tail = 'all', raw: isRaw = false, timestamps = false, details = false } = flags
  if (!/^(?:all|\d{1,9})$/.test(tail)) throw usage(`invalid --tail ${JSON.stringify(tail)}`)
  const subject = await find(session, reference)
  if (subject.hasTerminal && !isRaw) {
    throw usage('a service with a terminal has no lines to tell apart', 'add --raw')
  }
  const frames = client.logs(subject, {
    follow: flags.follow ?? false,
    timestamps,
    details: details || !isRaw,
    tail,
    since: parseMoment(io, 'since', flags.since),
    until: parseMoment(io, 'until', flags.until),
  })
  const names = new TaskNames(session, flags, subject.padding)
  for await (const { stream, message } of frames) {
    const text = isRaw ? message : await withName(message, { names, timestamps, details })
    if (stream === 'stderr') io.err(text.toString('utf8'))
    else io.out(text.toString('utf8'))
  }
}

interface Subject extends LogSubject {
  readonly hasTerminal: boolean
  /** Digits of the highest slot. */
  readonly padding: number
}

async function find({ client }: Session, reference: string): Promise<Subject> {
  try {
    const { ID, Spec } = await client.service(reference)
    const { TTY } = Spec.TaskTemplate.ContainerSpec as { readonly TTY?: boolean }
    const padding = String(Spec.Mode.Replicated?.Replicas ?? 0).length
    return { kind: 'service', id: ID, hasTerminal: TTY === true, padding }
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  try {
    const { ID, Spec, Slot } = await client.task(reference)
    const { TTY } = Spec.ContainerSpec as { readonly TTY?: boolean }
    return { kind: 'task', id: ID, hasTerminal: TTY === true, padding: String(Slot ?? 0).length }
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new CommandError(exitCodes.notFound, { what: `no such task or service: ${reference}` })
  }
}

interface Style {
  readonly names: TaskNames
  readonly timestamps: boolean
  readonly details: boolean
}

/** `time details text` becomes `time name    | details text`. */
async function withName(message: Buffer, { names, timestamps, details }: Style): Promise<Buffer> {
  const timeEnd = timestamps ? message.indexOf(' ') + 1 : 0
  const detailsEnd = message.indexOf(' ', timeEnd) + 1
  const told = message.toString('utf8', timeEnd, detailsEnd - 1)
  const { name, rest } = await names.of(told)
  const shown = details && rest !== '' ? `${rest} ` : ''
  return Buffer.concat([
    message.subarray(0, timeEnd),
    Buffer.from(`${name}    | ${shown}`),
    message.subarray(detailsEnd),
  ])
}

type NameFlags = Pick<LogFlags, 'resolve' | 'taskIds' | 'trunc'>

/** Who said it, from the details that docker's API gives; asked of the daemon once each. */
class TaskNames {
  readonly #session: Session
  readonly #flags: NameFlags
  readonly #padding: number
  readonly #known = new Map<string, Promise<string>>()

  constructor(session: Session, flags: NameFlags, padding: number) {
    this.#session = session
    this.#flags = flags
    this.#padding = padding
  }

  /** `rest` are the details that are no part of the name. */
  async of(details: string): Promise<{ readonly name: string; readonly rest: string }> {
    const context = new Map<string, string>()
    const rest: string[] = []
    for (const part of details.split(',')) {
      const [, key, value] = /^com\.docker\.swarm\.(\w+\.id)=(.*)$/.exec(part) ?? []
      if (key === undefined || value === undefined) rest.push(part)
      else context.set(key, decodeURIComponent(value))
    }
    const name = this.#known.get(details) ?? this.#resolve(context)
    if (this.#known.size < maxNames) this.#known.set(details, name)
    return { name: await name, rest: rest.join(',') }
  }

  async #resolve(context: ReadonlyMap<string, string>): Promise<string> {
    const { client } = this.#session
    const id = context.get('task.id') ?? ''
    const node = context.get('node.id') ?? ''
    const task = await client.task(id).catch(() => null)
    const slot = String(task?.Slot ?? 0)
    const service = this.#flags.resolve ? task?.ServiceName : context.get('service.id')
    const where = this.#flags.resolve ? await client.node(node).then(nodeName, () => node) : node
    const ending = this.#flags.taskIds ? `.${this.#flags.trunc ? shortId(id) : id}` : ''
    const padding = ' '.repeat(Math.max(0, this.#padding - slot.length))
    return `${service ?? context.get('service.id')}.${slot}${ending}@${where}${padding}`
  }
}

const maxNames = 10_000
