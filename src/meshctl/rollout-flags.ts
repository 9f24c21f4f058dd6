import type { Command } from 'commander'
import type { UpdateConfig } from '../client/types.ts'
import { usage } from './command-error.ts'
import { count, durationNs } from './quantities.ts'
import { given } from './spec-parts.ts'

/** Flags that say how tasks are replaced, forwards and back, as commander collects them. */
export interface RolloutFlags {
  readonly updateParallelism?: string
  readonly updateDelay?: string
  readonly updateMonitor?: string
  readonly updateFailureAction?: string
  readonly updateMaxFailureRatio?: string
  readonly updateOrder?: string
  readonly rollbackParallelism?: string
  readonly rollbackDelay?: string
  readonly rollbackMonitor?: string
  readonly rollbackFailureAction?: string
  readonly rollbackMaxFailureRatio?: string
  readonly rollbackOrder?: string
}

export const withRolloutFlags = (command: Command): Command =>
  command
    .option('--update-parallelism <count>', 'tasks replaced at a time; 0: all of them')
    .option('--update-delay <duration>', 'between one and the next')
    .option('--update-monitor <duration>', 'in which a new task must not fail')
    .option('--update-failure-action <action>', 'pause, continue or rollback')
    .option('--update-max-failure-ratio <ratio>', 'share of failures that is tolerated, 0 to 1')
    .option('--update-order <order>', 'stop-first or start-first')
    .option('--rollback-parallelism <count>', 'tasks rolled back at a time; 0: all of them')
    .option('--rollback-delay <duration>', 'between one and the next')
    .option('--rollback-monitor <duration>', 'in which a new task must not fail')
    .option('--rollback-failure-action <action>', 'pause or continue')
    .option('--rollback-max-failure-ratio <ratio>', 'share of failures that is tolerated, 0 to 1')
    .option('--rollback-order <order>', 'stop-first or start-first')

/** What the flags say about an update; empty when they say nothing. */
export const updateConfigOf = (flags: RolloutFlags): UpdateConfig =>
  configOf('update', {
    parallelism: flags.updateParallelism,
    delay: flags.updateDelay,
    monitor: flags.updateMonitor,
    action: flags.updateFailureAction,
    ratio: flags.updateMaxFailureRatio,
    order: flags.updateOrder,
  })

export const rollbackConfigOf = (flags: RolloutFlags): UpdateConfig =>
  configOf('rollback', {
    parallelism: flags.rollbackParallelism,
    delay: flags.rollbackDelay,
    monitor: flags.rollbackMonitor,
    action: flags.rollbackFailureAction,
    ratio: flags.rollbackMaxFailureRatio,
    order: flags.rollbackOrder,
  })

type Words = Readonly<
  Record<'parallelism' | 'delay' | 'monitor' | 'action' | 'ratio' | 'order', string | undefined>
>

function configOf(kind: 'update' | 'rollback', words: Words): UpdateConfig {
  const actions = ['pause', 'continue', ...(kind === 'update' ? ['rollback'] : [])]
  const flag = (name: string): string => `--${kind}-${name}`
  return {
    ...given(words.parallelism, (text) => ({ Parallelism: count(flag('parallelism'), text) })),
    ...given(words.delay, (text) => ({ Delay: durationNs(flag('delay'), text) })),
    ...given(words.monitor, (text) => ({ Monitor: durationNs(flag('monitor'), text) })),
    ...given(words.action, (text) => ({
      FailureAction: oneOf(flag('failure-action'), text, actions),
    })),
    ...given(words.ratio, (text) => ({ MaxFailureRatio: ratio(flag('max-failure-ratio'), text) })),
    ...given(words.order, (text) => ({
      Order: oneOf(flag('order'), text, ['stop-first', 'start-first']),
    })),
  }
}

function oneOf(flag: string, text: string, words: readonly string[]): string {
  if (words.includes(text)) return text
  throw usage(`invalid ${flag} ${text}`, `use ${words.join(' or ')}`)
}

function ratio(flag: string, text: string): number {
  const value = Number(text)
  if (/^\d*\.?\d+$/.test(text) && value <= 1) return value
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'a number from 0 to 1')
}
