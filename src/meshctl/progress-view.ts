import type { ApiTask } from '../client/types.ts'
import { truncated } from './human.ts'
import type { Io } from './io.ts'
import type { Progress } from './progress.ts'
import { taskName } from './task-listing.ts'

/** Shows how a service comes up. */
export interface ProgressView {
  show(progress: Progress, nodes: ReadonlyMap<string, string>): void
  /** A line that stays, such as why tasks wait. */
  say(line: string): void
  end(): void
}

export function createProgressView(io: Io): ProgressView {
  return io.isTerminal ? new BarsView(io) : new LinesView(io)
}

/** For logs and CI: a line for each change of a task's state, and nothing while nothing changes. */
class LinesView implements ProgressView {
  readonly #io: Io
  readonly #seen = new Map<string, string>()

  constructor(io: Io) {
    this.#io = io
  }

  show({ tasks }: Progress, nodes: ReadonlyMap<string, string>): void {
    for (const task of tasks) {
      const line = stateLine(task, nodes)
      if (this.#seen.get(task.ID) === line) continue
      this.#seen.set(task.ID, line)
      this.#io.out(`${line}\n`)
    }
  }

  say(line: string): void {
    this.#io.out(`${line}\n`)
  }

  end(): void {
    this.#seen.clear()
  }
}

const maxBars = 20
const barWidth = 30

/** For people: a bar a task, drawn over itself. */
class BarsView implements ProgressView {
  readonly #io: Io
  #drawn = 0
  #last = ''

  constructor(io: Io) {
    this.#io = io
  }

  show(progress: Progress, nodes: ReadonlyMap<string, string>): void {
    const { running, wanted, tasks } = progress
    const shown = tasks.slice(0, maxBars)
    const width = Math.max(0, ...shown.map((task) => taskName(task).length))
    const lines = [
      `overall progress: ${running} out of ${wanted} tasks`,
      ...shown.map((task) => barLine(task, width, nodes)),
    ].map((line) => truncated(line, Math.max(20, this.#io.columns - 1)))
    const text = lines.map((line) => `${line}\x1b[K\n`).join('')
    if (text === this.#last) return
    this.#io.out(`${this.#home()}\x1b[J${text}`)
    this.#drawn = lines.length
    this.#last = text
  }

  say(line: string): void {
    this.#io.out(`${this.#home()}\x1b[J${line}\n${this.#last}`)
  }

  end(): void {
    this.#drawn = 0
    this.#last = ''
  }

  #home(): string {
    return this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\r`
  }
}

const stages = [
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
  'complete',
]

function barLine(task: ApiTask, width: number, nodes: ReadonlyMap<string, string>): string {
  const { State, Err = '' } = task.Status
  const name = taskName(task).padEnd(width)
  const stage = Math.min(stages.indexOf(State), stages.indexOf('running'))
  if (stage < 0) return `${name}  ${State.padEnd(10)} ${Err}`
  const filled = Math.round((stage / stages.indexOf('running')) * barWidth)
  const bar = `${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}`.padEnd(barWidth)
  return `${name}  ${State.padEnd(10)} [${bar}] ${whereOf(task, nodes)}`.trimEnd()
}

function stateLine(task: ApiTask, nodes: ReadonlyMap<string, string>): string {
  const { State, Err = '' } = task.Status
  const where = whereOf(task, nodes)
  const on = where === '' ? '' : ` on ${where}`
  return `${taskName(task)}: ${State}${on}${Err === '' ? '' : `: ${Err}`}`
}

const whereOf = ({ NodeID = '' }: ApiTask, nodes: ReadonlyMap<string, string>): string =>
  nodes.get(NodeID) ?? NodeID
