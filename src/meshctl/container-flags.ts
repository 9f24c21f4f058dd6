import { isIP } from 'node:net'
import { capabilityRow } from './capability-flags.ts'
import { usage } from './command-error.ts'
import { envRow } from './env-flags.ts'
import { asText, type FlagRow, list, map, toggle, value } from './flag-rows.ts'
import { healthRows } from './health-flags.ts'
import { hostRow } from './host-flags.ts'
import { mergedMounts, parseMount } from './mount-flag.ts'
import { durationNs } from './quantities.ts'
import { without } from './spec-parts.ts'
import { container } from './spec-path.ts'
import { wordsOf } from './words.ts'

/** No words are the image's own. */
const command = (flag: string, text: string): readonly string[] | undefined => {
  const words = wordsOf(flag, text)
  return words.length === 0 ? undefined : words
}

/** Flags that say what a task's container is made of. */
export const containerFlags: readonly FlagRow[] = [
  value('--image <image>', 'run this image from now on', {
    at: container('Image'),
    parse: (_flag, text) => tagged(text),
    only: 'update',
  }),
  value('--args <words>', 'what follows the image', {
    at: container('Args'),
    parse: command,
    only: 'update',
  }),
  value('--entrypoint <command>', "instead of the image's", {
    at: container('Command'),
    parse: command,
  }),
  envRow,
  map('--container-label <key=value>', 'a label of its containers', container('Labels')),
  value('-u, --user <user>', 'name or id, and group: user:group', {
    at: container('User'),
    parse: asText,
  }),
  list('--group <group>', 'a group of that user', {
    ...{ at: container('Groups'), removedBy: '<group>' },
    parse: (_flag, text) => [text],
    merge: ({ before, added, removed }) => without([...before, ...added], removed).toSorted(),
  }),
  value('-w, --workdir <path>', 'where the command starts', {
    at: container('Dir'),
    parse: asText,
  }),
  value('--hostname <name>', 'of the container', { at: container('Hostname'), parse: asText }),
  list('--mount <mount>', 'a mount: type=bind|volume|tmpfs,source=…,target=…', {
    ...{ at: container('Mounts'), removedBy: '<target>' },
    parse: (flag, text) => [parseMount(flag, text)],
    merge: mergedMounts,
  }),
  toggle('--read-only', 'mount the root file system read-only', container('ReadOnly')),
  toggle('-t, --tty', 'give it a terminal', container('TTY')),
  toggle('--init', 'run an init that reaps processes', container('Init')),
  capabilityRow,
  map('--sysctl <name=value>', 'a kernel parameter', container('Sysctls')),
  list('--ulimit <name=soft:hard>', 'a limit of its processes', {
    ...{ at: container('Ulimits'), removedBy: '<name>' },
    parse: (flag, text) => [parseUlimit(flag, text)],
    first: (limits) => byName(limits),
    merge: ({ before, added, removed }) =>
      byName([...before.filter(({ Name }) => !removed.includes(Name)), ...added]),
  }),
  value('--oom-score-adj <score>', 'from -1000 to 1000', {
    at: container('OomScoreAdj'),
    parse: oomScore,
  }),
  dnsRow('--dns <ip>', 'a name server to ask', { key: 'Nameservers', parse: address }),
  dnsRow('--dns-search <domain>', 'a domain to search in', { key: 'Search', parse: domain }),
  dnsRow('--dns-option <option>', 'an option of its resolver', { key: 'Options', parse: asText }),
  hostRow,
  ...healthRows,
  value('--stop-grace-period <duration>', 'before a container is killed (default 10s)', {
    at: container('StopGracePeriod'),
    parse: durationNs,
  }),
  value('--stop-signal <signal>', 'that stops the container', {
    at: container('StopSignal'),
    parse: asText,
  }),
  value('--isolation <mode>', 'only default', { at: container('Isolation'), parse: asText }),
]

/** As docker has it: an image without a tag is the latest. */
export const tagged = (image: string): string =>
  /[:@]/.test(image.slice(image.lastIndexOf('/') + 1)) ? image : `${image}:latest`

interface DnsRow {
  readonly key: string
  readonly parse: (flag: string, text: string) => string
}

function dnsRow(flags: string, noun: string, { key, parse }: DnsRow): FlagRow {
  return list(flags, noun, {
    at: container('DNSConfig', key),
    removedBy: flags.slice(flags.indexOf('<')),
    parse: (flag, text) => [parse(flag, text)],
    merge: ({ before, added, removed }) =>
      without([...new Set([...before, ...added])], removed).toSorted(),
  })
}

function address(flag: string, text: string): string {
  if (isIP(text) !== 0) return text
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'it must be an IP address')
}

/** A full stop at its end says nothing more; alone it is the root. */
function domain(_flag: string, text: string): string {
  return text === '.' ? text : text.replace(/\.$/, '')
}

interface Ulimit {
  readonly Name: string
  readonly Soft: number
  readonly Hard: number
}

function parseUlimit(flag: string, text: string): Ulimit {
  const [, Name, soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? []
  if (Name !== undefined) return { Name, Soft: Number(soft), Hard: Number(hard) }
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'write it as nofile=1024:2048')
}

/** The last of each name. */
const byName = (limits: readonly Ulimit[]): readonly Ulimit[] =>
  [...new Map(limits.map((limit) => [limit.Name, limit])).values()].toSorted((one, other) =>
    one.Name < other.Name ? -1 : 1,
  )

function oomScore(flag: string, text: string): number {
  if (/^-?\d{1,4}$/.test(text) && Math.abs(Number(text)) <= 1000) return Number(text)
  throw usage(`invalid ${flag} ${JSON.stringify(text)}`, 'from -1000 to 1000')
}
