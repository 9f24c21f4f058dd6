import type { ServiceSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { onOff, several, single } from './flag.ts'
import { asText, type FlagRow, list, map, noEffectYet, type Parse, value } from './flag-rows.ts'
import { samePreference, parsePreference } from './placement-flags.ts'
import { mergedPorts, parsePublish } from './publish.ts'
import { count, durationNs, nanoCpus, sizeBytes } from './quantities.ts'
import { oneOf, pairs, without } from './spec-parts.ts'
import { valueAt, withValue } from './spec-path.ts'

const policy = ['TaskTemplate', 'RestartPolicy']
/** Docker's, filled in as soon as one of the flags is there. */
const defaultPolicy = { Condition: 'any', Delay: 5e9, MaxAttempts: 0 }

const resource = (flags: string, help: string, key: string, parse: Parse<number>): FlagRow => {
  const side = flags.startsWith('--limit') ? 'Limits' : 'Reservations'
  return value(flags, help, { at: ['TaskTemplate', 'Resources', side, key], parse })
}

const restart = (flags: string, help: string, key: string, parse: Parse<unknown>): FlagRow => {
  const basis = { at: policy, defaults: defaultPolicy }
  return value(flags, help, { at: [...policy, key], parse, basis })
}

const modeRow: FlagRow = {
  options: (verb) => [
    ...(verb === 'create' ? [single('--mode <mode>', 'replicated (default) or global')] : []),
    single('--replicas <count>', 'number of tasks'),
  ],
  apply(spec, given) {
    const mode = given.text('mode')
    const ofMode = mode === undefined ? spec : { ...spec, Mode: modeOf(mode) }
    const replicas = given.text('replicas')
    if (replicas === undefined) return ofMode
    if (ofMode.Mode.Global !== undefined) throw usage('--replicas does not go with mode global')
    return withValue(ofMode, ['Mode', 'Replicated', 'Replicas'], count('--replicas', replicas))
  },
}

function modeOf(mode: string): ServiceSpec['Mode'] {
  if (mode.endsWith('-job')) throw noEffectYet(`--mode ${mode}`)
  return oneOf('--mode', mode, ['replicated', 'global']) === 'global'
    ? { Global: {} }
    : { Replicated: {} }
}

/** Another driver begins with no options. */
const logRow: FlagRow = {
  options: () => [
    single('--log-driver <driver>', 'where its output goes'),
    several('--log-opt <name=value>', 'an option of that driver'),
  ],
  apply(spec, given) {
    const Name = given.text('log-driver')
    const options = given.texts('log-opt')
    if (Name === undefined && options === undefined) return spec
    if (!Name) throw usage('--log-opt needs --log-driver')
    const Options = options === undefined ? {} : { Options: pairs('--log-opt', options) }
    return withValue(spec, ['TaskTemplate', 'LogDriver'], { Name, ...Options })
  },
}

const forceRow: FlagRow = {
  options: (verb) =>
    verb === 'update' ? onOff('--force', 'replace all tasks although nothing changed') : [],
  apply(spec, given) {
    if (given.isOn('force') !== true) return spec
    const at = ['TaskTemplate', 'ForceUpdate']
    return withValue(spec, at, Number(valueAt(spec, at) ?? 0) + 1)
  },
}

/** Flags that say how many tasks a service has, where they run and what they may use. */
export const serviceFlags: readonly FlagRow[] = [
  value('--name <name>', 'name of the service', { at: ['Name'], parse: asText, only: 'create' }),
  modeRow,
  map('-l, --label <key=value>', 'a label of the service', ['Labels']),
  list('-p, --publish <port>', 'a port: published:target, or published=…,target=…', {
    ...{ at: ['EndpointSpec', 'Ports'], removedBy: '<target>' },
    parse: parsePublish,
    merge: mergedPorts,
  }),
  value('--endpoint-mode <mode>', 'only vip', {
    at: ['EndpointSpec', 'Mode'],
    parse: (_flag, text) => text.toLowerCase(),
  }),
  list<string>('--constraint <expression>', 'a constraint such as node.labels.zone==a', {
    ...{ at: ['TaskTemplate', 'Placement', 'Constraints'], removedBy: '<expression>' },
    parse: (_flag, text) => [text],
    merge: ({ before, added, removed }) => without([...before, ...added], removed).toSorted(),
  }),
  list('--placement-pref <preference>', 'a preference such as spread=node.labels.zone', {
    ...{ at: ['TaskTemplate', 'Placement', 'Preferences'], removedBy: '<preference>' },
    parse: (_flag, text) => [parsePreference(text)],
    merge: ({ before, added, removed }) => {
      const gone = removed.map(parsePreference)
      const isGone = (one: (typeof gone)[number]) =>
        gone.some((other) => samePreference(one, other))
      return [...before.filter((one) => !isGone(one)), ...added]
    },
  }),
  value('--replicas-max-per-node <count>', 'at most so many on one node; 0: any number', {
    at: ['TaskTemplate', 'Placement', 'MaxReplicas'],
    parse: count,
  }),
  resource('--limit-cpu <cpus>', 'at most, such as 0.5', 'NanoCPUs', nanoCpus),
  resource('--limit-memory <bytes>', 'at most, such as 512m', 'MemoryBytes', sizeBytes),
  resource('--limit-pids <count>', 'processes at most; 0: any number', 'Pids', count),
  resource('--reserve-cpu <cpus>', 'set aside on the node', 'NanoCPUs', nanoCpus),
  resource('--reserve-memory <bytes>', 'set aside on the node', 'MemoryBytes', sizeBytes),
  restart(
    '--restart-condition <condition>',
    'none, on-failure or any (default any)',
    'Condition',
    (flag, text) => oneOf(flag, text, ['none', 'on-failure', 'any']),
  ),
  restart('--restart-delay <duration>', 'between attempts (default 5s)', 'Delay', durationNs),
  restart('--restart-max-attempts <count>', 'before giving up', 'MaxAttempts', count),
  restart('--restart-window <duration>', 'in which attempts are counted', 'Window', durationNs),
  logRow,
  forceRow,
]
