import { usage } from './command-error.ts'
import { onOff } from './flag.ts'
import { type FlagRow, type Parse, value } from './flag-rows.ts'
import { count, durationNs } from './quantities.ts'
import { container, valueAt, withValue } from './spec-path.ts'

const off = 'no-healthcheck'
const test = container('Healthcheck', 'Test')

const setting = (flags: string, help: string, key: string, parse: Parse<unknown>): FlagRow =>
  value(flags, help, { at: container('Healthcheck', key), parse })

const settings: readonly FlagRow[] = [
  setting('--health-cmd <command>', 'that tells whether it is healthy', 'Test', (_flag, text) =>
    text === '' ? undefined : ['CMD-SHELL', text],
  ),
  setting('--health-interval <duration>', 'between checks', 'Interval', durationNs),
  setting('--health-timeout <duration>', 'of one check', 'Timeout', durationNs),
  setting('--health-retries <count>', 'failures until it is unhealthy', 'Retries', count),
  setting(
    '--health-start-period <duration>',
    'in which failures do not count',
    'StartPeriod',
    durationNs,
  ),
  setting(
    '--health-start-interval <duration>',
    'between checks in that period',
    'StartInterval',
    durationNs,
  ),
]

const names = settings
  .flatMap(({ options }) => options('create'))
  .map((option) => option.attributeName())

/** A check that was off is the image's again, until another one is named. */
const offRow: FlagRow = {
  options: () => onOff(`--${off}`, "turn the image's check off"),
  apply(spec, given) {
    const isAsked = given.has(...names)
    if (given.isOn(off) === true) {
      if (isAsked) throw usage(`--${off} does not go with --health-… flags`)
      return withValue(spec, container('Healthcheck'), { Test: ['NONE'] })
    }
    const [kind] = (valueAt(spec, test) ?? []) as readonly string[]
    return isAsked && kind === 'NONE' ? withValue(spec, test, undefined) : spec
  },
}

export const healthRows: readonly FlagRow[] = [offRow, ...settings]
