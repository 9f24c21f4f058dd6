import type { PortConfig } from '../client/types.ts'
import { usage } from './command-error.ts'

/** Docker's two grammars for `--publish`: `8080:80/tcp` and `published=8080,target=80`. */
export function parsePublish(text: string): PortConfig {
  return text.includes('=') ? parseLong(text) : parseShort(text)
}

function parseShort(text: string): PortConfig {
  const match = /^(?:(\d+):)?(\d+)(?:\/([a-z]+))?$/.exec(text)
  if (match === null) {
    const hint = /^[^:]+:\d*:\d+/.test(text)
      ? 'leave the address out: a published port answers on every node'
      : 'write it as 8080:80, 80, or published=8080,target=80'
    throw usage(`invalid --publish ${JSON.stringify(text)}`, hint)
  }
  const [, published, target, protocol] = match
  return {
    Protocol: protocol ?? 'tcp',
    TargetPort: port(text, target),
    ...(published === undefined ? {} : { PublishedPort: port(text, published) }),
    PublishMode: 'ingress',
  }
}

const longKeys = ['published', 'target', 'protocol', 'mode']

function parseLong(text: string): PortConfig {
  const fields = new Map<string, string>()
  for (const part of text.split(',')) {
    const cut = part.indexOf('=')
    const key = part.slice(0, Math.max(cut, 0)).trim().toLowerCase()
    if (!longKeys.includes(key)) {
      throw usage(`invalid --publish ${JSON.stringify(text)}`, `fields: ${longKeys.join(', ')}`)
    }
    fields.set(key, part.slice(cut + 1).trim())
  }
  const published = fields.get('published')
  if (!fields.has('target')) {
    throw usage(`invalid --publish ${JSON.stringify(text)}`, 'it needs target=PORT')
  }
  return {
    Protocol: fields.get('protocol') ?? 'tcp',
    TargetPort: port(text, fields.get('target')),
    ...(published === undefined ? {} : { PublishedPort: port(text, published) }),
    PublishMode: fields.get('mode') ?? 'ingress',
  }
}

function port(text: string, digits = ''): number {
  const number = Number(digits)
  if (/^\d{1,5}$/.test(digits) && number >= 1 && number <= 65_535) return number
  throw usage(`invalid --publish ${JSON.stringify(text)}`, 'ports are numbers from 1 to 65535')
}
