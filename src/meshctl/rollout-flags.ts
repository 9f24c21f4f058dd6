import type { UpdateConfig } from '../client/types.ts'
import { usage } from './command-error.ts'
import { type FlagRow, type Parse, value } from './flag-rows.ts'
import { count, durationNs } from './quantities.ts'
import { oneOf } from './spec-parts.ts'

/** Docker's, filled in as soon as one of the flags is there. */
const defaults: UpdateConfig = {
  Parallelism: 1,
  FailureAction: 'pause',
  Monitor: 5e9,
  MaxFailureRatio: 0,
  Order: 'stop-first',
}

interface Rollout {
  readonly name: 'update' | 'rollback'
  readonly key: string
  readonly done: string
  readonly actions: readonly string[]
}

/** How tasks are replaced, forwards or back. */
function rolloutRows({ name, key, done, actions }: Rollout): readonly FlagRow[] {
  const basis = { at: [key], defaults }
  const row = (flags: string, help: string, field: string, parse: Parse<unknown>): FlagRow =>
    value(`--${name}-${flags}`, help, { at: [key, field], parse, basis })
  return [
    row(
      'parallelism <count>',
      `tasks ${done} at a time; 0: all of them (default 1)`,
      'Parallelism',
      count,
    ),
    row('delay <duration>', 'between one and the next (default 0s)', 'Delay', durationNs),
    row(
      'monitor <duration>',
      'in which a new task must not fail (default 5s)',
      'Monitor',
      durationNs,
    ),
    row(
      'failure-action <action>',
      `${actions.join(' or ')} (default pause)`,
      'FailureAction',
      (flag, text) => oneOf(flag, text, actions),
    ),
    row(
      'max-failure-ratio <ratio>',
      'share of failures that is tolerated, 0 to 1 (default 0)',
      'MaxFailureRatio',
      ratio,
    ),
    row('order <order>', 'stop-first or start-first (default stop-first)', 'Order', (flag, text) =>
      oneOf(flag, text, ['stop-first', 'start-first']),
    ),
  ]
}

export const rolloutFlags: readonly FlagRow[] = [
  ...rolloutRows({
    name: 'update',
    key: 'UpdateConfig',
    done: 'replaced',
    actions: ['pause', 'continue', 'rollback'],
  }),
  ...rolloutRows({
    name: 'rollback',
    key: 'RollbackConfig',
    done: 'rolled back',
    actions: ['pause', 'continue'],
  }),
]

function ratio(flag: string, text: string): number {
  const number = Number(text)
  if (/^\d*\.?\d+$/.test(text) && number <= 1) return number
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'a number from 0 to 1')
}
