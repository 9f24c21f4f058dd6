import type { PortConfig } from '../client/types.ts'
import { usage } from './command-error.ts'
import type { ListChange } from './flag-rows.ts'
import { fieldsOf } from './words.ts'

/** Docker's two grammars for `--publish`: `8080:80/tcp`, ranges too, and `published=8080,target=80`. */
export function parsePublish(flag: string, text: string): readonly PortConfig[] {
  return text.includes('=') ? [parseLong(flag, text)] : parseShort(flag, text)
}

const protocols = ['tcp', 'udp', 'sctp']

function parseShort(flag: string, text: string): readonly PortConfig[] {
  const match = /^(?:(\d+(?:-\d+)?):)?(\d+(?:-\d+)?)(?:\/([a-z]+))?$/i.exec(text)
  if (match === null) {
    const hint = /^[^:]+:[\d-]*:[\d-]+/.test(text)
      ? 'leave the address out: a published port answers on every node'
      : 'write it as 8080:80, 80, or published=8080,target=80'
    throw invalid(flag, text, hint)
  }
  const [, published, target = '', protocol = 'tcp'] = match
  const Protocol = oneProtocol(flag, text, protocol)
  const config = (TargetPort: number, PublishedPort?: number): PortConfig => ({
    ...{ Protocol, TargetPort },
    ...(PublishedPort !== undefined && { PublishedPort }),
    PublishMode: 'ingress',
  })
  const targets = range(flag, text, target)
  if (published === undefined) return targets.map((port) => config(port))
  const outside = range(flag, text, published)
  const [only] = targets
  if (only !== undefined && targets.length === 1) return outside.map((port) => config(only, port))
  if (outside.length !== targets.length) {
    throw invalid(flag, text, 'as many ports outside as inside, or one inside')
  }
  return targets.map((port, at) => config(port, outside[at]))
}

const longKeys = ['published', 'target', 'protocol', 'mode']

function parseLong(flag: string, text: string): PortConfig {
  const fields = new Map<string, string>()
  for (const part of fieldsOf(flag, text)) {
    const cut = part.indexOf('=')
    const key = part.slice(0, Math.max(cut, 0)).trim().toLowerCase()
    if (!longKeys.includes(key)) throw invalid(flag, text, `fields: ${longKeys.join(', ')}`)
    fields.set(
      key,
      part
        .slice(cut + 1)
        .trim()
        .toLowerCase(),
    )
  }
  const published = fields.get('published') ?? '0'
  const target = fields.get('target')
  if (target === undefined) throw invalid(flag, text, 'it needs target=PORT')
  const mode = fields.get('mode') ?? 'ingress'
  if (!['ingress', 'host'].includes(mode)) throw invalid(flag, text, 'mode is ingress or host')
  return {
    Protocol: oneProtocol(flag, text, fields.get('protocol') ?? 'tcp'),
    TargetPort: port(flag, text, target),
    // Docker's zero: any port.
    ...(Number(published) !== 0 && { PublishedPort: port(flag, text, published) }),
    PublishMode: mode,
  }
}

function oneProtocol(flag: string, text: string, word: string): string {
  const protocol = word.toLowerCase()
  if (protocols.includes(protocol)) return protocol
  throw invalid(flag, text, `protocols: ${protocols.join(', ')}`)
}

/** `8000-8002`, or one. */
function range(flag: string, text: string, digits: string): readonly number[] {
  const [first = '', last = first] = digits.split('-')
  const [from, to] = [port(flag, text, first), port(flag, text, last)]
  if (to < from) throw invalid(flag, text, 'a range goes upwards')
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

function port(flag: string, text: string, digits: string): number {
  const number = Number(digits)
  if (/^\d{1,5}$/.test(digits) && number >= 1 && number <= 65_535) return number
  throw invalid(flag, text, 'ports are numbers from 1 to 65535')
}

/** Docker removes ports by target and mode, whatever was published for them. */
export function mergedPorts({
  before,
  added,
  removed,
}: ListChange<PortConfig>): readonly PortConfig[] {
  const gone = removed.flatMap((text) => parsePublish('--publish-rm', text))
  const kept = before.filter((one) => !gone.some((other) => target(one) === target(other)))
  const known = new Set(before.map(written))
  const after = [...kept, ...added.filter((one) => !known.has(written(one)))]
  return after.toSorted((one, other) => (written(one) < written(other) ? -1 : 1))
}

const target = ({ TargetPort, Protocol, PublishMode }: PortConfig): string =>
  `${TargetPort}/${Protocol || 'tcp'}/${PublishMode || 'ingress'}`

const written = (one: PortConfig): string => `${one.PublishedPort ?? 0}:${target(one)}`

const invalid = (flag: string, text: string, hint: string): Error =>
  usage(`invalid ${flag} ${JSON.stringify(text)}`, hint)
