import type { Command } from 'commander'
import type { ContainerSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { readEnvFile } from './env-file.ts'
import { parseMount } from './mount-flag.ts'
import { count, durationNs } from './quantities.ts'
import { environmentEntry, filled, given, pairs } from './spec-parts.ts'

/** Flags that say what a task's container is made of, as commander collects them. */
export interface ContainerFlags {
  readonly capAdd?: readonly string[]
  readonly capDrop?: readonly string[]
  readonly containerLabel?: readonly string[]
  readonly dns?: readonly string[]
  readonly dnsOption?: readonly string[]
  readonly dnsSearch?: readonly string[]
  readonly entrypoint?: string
  readonly env?: readonly string[]
  readonly envFile?: readonly string[]
  readonly group?: readonly string[]
  readonly healthCmd?: string
  readonly healthInterval?: string
  readonly healthRetries?: string
  readonly healthStartInterval?: string
  readonly healthStartPeriod?: string
  readonly healthTimeout?: string
  /** False when `--no-healthcheck` was given. */
  readonly healthcheck?: boolean
  readonly host?: readonly string[]
  readonly hostname?: string
  readonly init?: boolean
  readonly mount?: readonly string[]
  readonly oomScoreAdj?: string
  readonly readOnly?: boolean
  readonly stopGracePeriod?: string
  readonly stopSignal?: string
  readonly sysctl?: readonly string[]
  readonly tty?: boolean
  readonly ulimit?: readonly string[]
  readonly user?: string
  readonly workdir?: string
}

type Collect = (value: string, previous?: readonly string[]) => readonly string[]

export const withContainerFlags = (command: Command, collect: Collect): Command =>
  command
    .option('-e, --env <name=value>', 'set an environment variable', collect)
    .option('--env-file <file>', 'read environment variables from a file', collect)
    .option('--entrypoint <command>', "instead of the image's")
    .option('--container-label <key=value>', 'label of its containers', collect)
    .option('-u, --user <user>', 'name or id, and group: user:group')
    .option('--group <group>', 'one more group of that user', collect)
    .option('-w, --workdir <path>', 'where the command starts')
    .option('--hostname <name>', 'of the container')
    .option('--mount <mount>', 'type=bind|volume|tmpfs,source=…,target=…', collect)
    .option('--read-only', 'mount the root file system read-only')
    .option('-t, --tty', 'give it a terminal')
    .option('--init', 'run an init that reaps processes')
    .option('--cap-add <capability>', 'add a Linux capability', collect)
    .option('--cap-drop <capability>', 'drop a Linux capability', collect)
    .option('--sysctl <name=value>', 'set a kernel parameter', collect)
    .option('--ulimit <name=soft:hard>', 'set a limit of its processes', collect)
    .option('--oom-score-adj <score>', 'from -1000 to 1000')
    .option('--dns <ip>', 'ask this name server', collect)
    .option('--dns-search <domain>', 'search in this domain', collect)
    .option('--dns-option <option>', 'option of its resolver', collect)
    .option('--host <name:ip>', 'add a line to its /etc/hosts', collect)
    .option('--health-cmd <command>', 'that tells whether it is healthy')
    .option('--health-interval <duration>', 'between checks')
    .option('--health-timeout <duration>', 'of one check')
    .option('--health-retries <count>', 'failures until it is unhealthy')
    .option('--health-start-period <duration>', 'in which failures do not count')
    .option('--health-start-interval <duration>', 'between checks in that period')
    .option('--no-healthcheck', "turn the image's check off")
    .option('--stop-grace-period <duration>', 'before a container is killed')
    .option('--stop-signal <signal>', 'that stops the container')

/** The part of a container's spec that flags say, in docker's own words and order. */
export function containerPart(
  flags: ContainerFlags,
  env: Readonly<Record<string, string | undefined>>,
): Omit<ContainerSpec, 'Image'> {
  const ofFiles = (flags.envFile ?? []).flatMap((path) => readEnvFile(path))
  const variables = [...ofFiles, ...(flags.env ?? [])]
  return {
    ...filled('Env', latestOfEach(variables.flatMap((entry) => environmentEntry(entry, env)))),
    ...given(flags.entrypoint, (text) => ({ Command: wordsOf('--entrypoint', text) })),
    ...labels(flags.containerLabel),
    ...given(flags.user, (User) => ({ User })),
    ...filled('Groups', flags.group ?? []),
    ...given(flags.workdir, (Dir) => ({ Dir })),
    ...given(flags.hostname, (Hostname) => ({ Hostname })),
    ...filled('Mounts', (flags.mount ?? []).map(parseMount)),
    ...(flags.readOnly === true && { ReadOnly: true }),
    ...(flags.tty === true && { TTY: true }),
    ...(flags.init === true && { Init: true }),
    ...filled('CapabilityAdd', (flags.capAdd ?? []).map(capability).toSorted()),
    ...filled('CapabilityDrop', (flags.capDrop ?? []).map(capability).toSorted()),
    ...(flags.sysctl !== undefined && { Sysctls: pairs('--sysctl', flags.sysctl) }),
    ...filled('Ulimits', (flags.ulimit ?? []).toSorted().map(parseUlimit)),
    ...given(flags.oomScoreAdj, (text) => ({ OomScoreAdj: oomScore(text) })),
    ...dnsPart(flags),
    ...filled('Hosts', (flags.host ?? []).map(hostLine)),
    ...healthPart(flags),
    ...given(flags.stopSignal, (StopSignal) => ({ StopSignal })),
    ...given(flags.stopGracePeriod, (text) => ({
      StopGracePeriod: durationNs('--stop-grace-period', text),
    })),
  }
}

const labels = (entries: readonly string[] | undefined): object =>
  entries === undefined ? {} : { Labels: pairs('--container-label', entries) }

function dnsPart({ dns = [], dnsSearch = [], dnsOption = [] }: ContainerFlags): object {
  const config = {
    ...filled('Nameservers', dns),
    ...filled('Search', dnsSearch),
    ...filled('Options', dnsOption),
  }
  return Object.keys(config).length === 0 ? {} : { DNSConfig: config }
}

function healthPart(flags: ContainerFlags): object {
  const check = {
    ...given(flags.healthCmd, (text) => ({ Test: ['CMD-SHELL', text] })),
    ...duration('Interval', '--health-interval', flags.healthInterval),
    ...duration('Timeout', '--health-timeout', flags.healthTimeout),
    ...duration('StartPeriod', '--health-start-period', flags.healthStartPeriod),
    ...duration('StartInterval', '--health-start-interval', flags.healthStartInterval),
    ...given(flags.healthRetries, (text) => ({ Retries: count('--health-retries', text) })),
  }
  const isAsked = Object.keys(check).length > 0
  if (flags.healthcheck !== false) return isAsked ? { Healthcheck: check } : {}
  if (isAsked) throw usage('--no-healthcheck does not go with --health-… flags')
  return { Healthcheck: { Test: ['NONE'] } }
}

const duration = (field: string, flag: string, text: string | undefined): object =>
  text === undefined ? {} : { [field]: durationNs(flag, text) }

/** As docker writes them: upper case, with their prefix. */
function capability(text: string): string {
  const name = text.toUpperCase()
  return name === 'ALL' || name.startsWith('CAP_') ? name : `CAP_${name}`
}

function parseUlimit(text: string): object {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text)
  if (match === null) {
    throw usage(`invalid --ulimit ${JSON.stringify(text)}`, 'write it as nofile=1024:2048')
  }
  const [, Name, soft, hard = soft] = match
  return { Name, Soft: Number(soft), Hard: Number(hard) }
}

function oomScore(text: string): number {
  if (/^-?\d{1,4}$/.test(text) && Math.abs(Number(text)) <= 1000) return Number(text)
  throw usage(`invalid --oom-score-adj ${JSON.stringify(text)}`, 'from -1000 to 1000')
}

/** `name:address`, as a line of /etc/hosts. */
function hostLine(text: string): string {
  const [, name, address] = /^([^:=\s]+)[:=](\S+)$/.exec(text) ?? []
  if (name === undefined || address === undefined) {
    throw usage(`invalid --host ${JSON.stringify(text)}`, 'write it as db:10.0.0.5')
  }
  return `${address} ${name}`
}

/** Of a variable that is named twice the last one counts. */
function latestOfEach(entries: readonly string[]): readonly string[] {
  const byName = new Map(entries.map((entry) => [entry.split('=', 1)[0], entry]))
  return [...byName.values()]
}

/** A shell's words, without its expansions: quotes hold spaces. */
export function wordsOf(flag: string, text: string): string[] {
  const words = [...text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  )
  if (words.length === 0) throw usage(`invalid ${flag}: it is empty`)
  return words
}
