import type { NodeId } from '../../mesh/base/ids.ts'
import { nodeById } from '../model/node-view.ts'
import type { TaskSpec } from '../model/docker.ts'
import { compareTaskStates } from '../model/task-state.ts'
import { taskById, tasksOf, type TaskView } from '../model/task-view.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { isSet, type Exchange } from './exchange.ts'
import { LocalLog } from './local-log.ts'
import type { LogQuery } from '../model/log-line.ts'
import { LogMerge } from './log-merge.ts'
import { LogOutput } from './log-output.ts'
import { parseLogQuery } from './log-query.ts'
import { maxTasksACall } from './mesh-logs.ts'
import { RemoteLog } from './remote-log.ts'
import { findService } from './services.ts'
import { closingSignal } from './streaming.ts'
import { findTask } from './tasks.ts'

/** Lines of one node come up to its own window late. */
const windowMs = 250
/** Tasks that start within this time are asked for together. */
const joinMs = 50

export async function serviceLogs(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const query = parseLogQuery(exchange.query)
  const { id, body } = findService(await context.currentView(), reference)
  const isWanted = (task: TaskView): boolean => task.serviceId === id
  const exists = (view: ClusterView): boolean => view.catalog.get('service', id) !== undefined
  await answer(context, exchange, {
    query,
    isRaw: hasTerminal(body.Spec.TaskTemplate),
    isWanted,
    exists,
  })
}

export async function taskLogs(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const query = parseLogQuery(exchange.query)
  const view = await context.currentView()
  const { id, body } = findTask(view, reference)
  const isWanted = (task: TaskView): boolean => task.id === id
  const exists = (now: ClusterView): boolean => taskById(now.catalog, id)?.hasEnded === false
  const isRaw = hasTerminal(body.Spec)
  await answer(context, exchange, { query, isRaw, isWanted, exists })
}

const hasTerminal = ({ ContainerSpec }: TaskSpec): boolean => ContainerSpec.TTY === true

interface Wanted {
  readonly query: LogQuery
  readonly isRaw: boolean
  readonly isWanted: (task: TaskView) => boolean
  /** More tasks may come. */
  readonly exists: (view: ClusterView) => boolean
}

async function answer(context: ApiContext, exchange: Exchange, wanted: Wanted): Promise<void> {
  const { req, res, query } = exchange
  context.streams.take(res)
  const signal = closingSignal(req, res)
  const contexts = new Map<string, Readonly<Record<string, string>>>()
  const output = new LogOutput(res, {
    isRaw: wanted.isRaw,
    timestamps: isSet(query, 'timestamps'),
    details: isSet(query, 'details'),
    contextOf: (task) => contexts.get(task) ?? {},
  })
  const reader = new LogReader(context, wanted, { signal, contexts })
  for await (const line of reader.lines()) {
    if (!(await output.write(line))) return
  }
  output.end()
}

interface Reading {
  readonly signal: AbortSignal
  /** Docker's details of each task that is read. */
  readonly contexts: Map<string, Readonly<Record<string, string>>>
}

/** Asks every node that runs or ran such a task, itself, and those where others start later. */
class LogReader {
  readonly #context: ApiContext
  readonly #wanted: Wanted
  readonly #reading: Reading
  readonly #merge: LogMerge

  constructor(context: ApiContext, wanted: Wanted, reading: Reading) {
    this.#context = context
    this.#wanted = wanted
    this.#reading = reading
    const window = wanted.query.follow ? windowMs : Infinity
    this.#merge = new LogMerge({ clock: context.deps.clock, windowMs: window })
  }

  async *lines(): ReturnType<LogMerge['lines']> {
    const { query } = this.#wanted
    this.#join(query)
    if (!query.follow) this.#merge.complete()
    const end = query.follow ? this.#watch() : () => {}
    try {
      yield* this.#merge.lines()
    } finally {
      end()
    }
  }

  /** Later tasks are read from their start. */
  #watch(): () => void {
    const { deps } = this.#context
    let endWait: (() => void) | null = null
    const look = (): void => {
      endWait = null
      this.#join({ ...this.#wanted.query, tail: null })
      if (!this.#wanted.exists(deps.view())) this.#merge.complete()
    }
    const endWatch = deps.watchView(() => {
      endWait ??= deps.clock.after(joinMs, look)
    })
    const end = (): void => {
      endWatch()
      endWait?.()
      this.#merge.complete()
    }
    this.#reading.signal.addEventListener('abort', end)
    look()
    return end
  }

  #join(query: LogQuery): void {
    const view = this.#context.deps.view()
    const { contexts } = this.#reading
    const byNode = new Map<NodeId, string[]>()
    for (const task of tasksOf(view.catalog)) {
      if (contexts.has(task.id) || !this.#wanted.isWanted(task)) continue
      if (task.node === null || !mayHavePrinted(task, view)) continue
      contexts.set(task.id, contextOf(task, task.node))
      byNode.set(task.node, [...(byNode.get(task.node) ?? []), task.id])
    }
    for (const [node, tasks] of byNode) this.#read(node, tasks, query)
  }

  #read(node: NodeId, tasks: readonly string[], query: LogQuery): void {
    const { deps } = this.#context
    const { signal } = this.#reading
    if (node === deps.node.self) {
      for (const task of tasks) {
        this.#merge.add(new LocalLog({ task, place: null }, query, deps).read(signal))
      }
      return
    }
    const name = nodeById(deps.view().catalog, node)?.name ?? node
    for (let at = 0; at < tasks.length; at += maxTasksACall) {
      const some = tasks.slice(at, at + maxTasksACall)
      this.#merge.add(new RemoteLog({ node, name, tasks: some, query, signal }, deps).read())
    }
  }
}

/** Before it starts a container has nothing to say. */
function mayHavePrinted(task: TaskView, { observed }: ClusterView): boolean {
  const said = observed.tasks.get(task.id)?.record.state ?? task.state
  const state = compareTaskStates(said, task.state) > 0 ? said : task.state
  return compareTaskStates(state, 'starting') >= 0
}

const contextOf = (task: TaskView, node: NodeId): Readonly<Record<string, string>> => ({
  'node.id': node,
  'service.id': task.serviceId,
  'task.id': task.id,
})
