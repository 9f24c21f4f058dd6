import type { Mount } from '../client/types.ts'
import { usage } from './command-error.ts'
import { sizeBytes } from './quantities.ts'

type Fields = Map<string, string>

const aliases: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
}

const keys = [
  'type',
  'source',
  'target',
  'readonly',
  'consistency',
  'bind-propagation',
  'bind-create-src',
  'bind-nonrecursive',
  'volume-nocopy',
  'volume-driver',
  'volume-subpath',
  'tmpfs-size',
  'tmpfs-mode',
]

const listKeys = ['volume-label', 'volume-opt']

/** Docker's `--mount`: `type=bind,source=/a,target=/b,readonly`. */
export function parseMount(text: string): Mount {
  const fields: Fields = new Map()
  const lists = new Map<string, Record<string, string>>()
  for (const part of text.split(',')) {
    const [name = '', ...rest] = part.split('=')
    const key = aliases[name.trim().toLowerCase()] ?? name.trim().toLowerCase()
    const value = rest.join('=')
    if (listKeys.includes(key)) {
      const [entry = '', ...words] = value.split('=')
      lists.set(key, { ...lists.get(key), [entry]: words.join('=') })
    } else if (keys.includes(key)) fields.set(key, value)
    else throw invalid(text, `fields: ${[...keys, ...listKeys].join(', ')}`)
  }
  if (!fields.get('target')) throw invalid(text, 'it needs target=PATH')
  const Type = fields.get('type') ?? 'volume'
  return {
    Type,
    ...(fields.has('source') && { Source: fields.get('source') ?? '' }),
    Target: fields.get('target') ?? '',
    ...(flag(text, fields, 'readonly') && { ReadOnly: true }),
    ...(fields.has('consistency') && { Consistency: fields.get('consistency') ?? '' }),
    ...asked('BindOptions', bindOptions(text, fields)),
    ...asked('VolumeOptions', volumeOptions(text, fields, lists)),
    ...asked('TmpfsOptions', tmpfsOptions(text, fields)),
  }
}

const bindOptions = (text: string, fields: Fields): object => ({
  ...(fields.has('bind-propagation') && { Propagation: fields.get('bind-propagation') }),
  ...(flag(text, fields, 'bind-nonrecursive') && { NonRecursive: true }),
  ...(flag(text, fields, 'bind-create-src') && { CreateMountpoint: true }),
})

function volumeOptions(
  text: string,
  fields: Fields,
  lists: ReadonlyMap<string, Record<string, string>>,
): object {
  const Options = lists.get('volume-opt')
  const Name = fields.get('volume-driver')
  const hasDriver = Options !== undefined || Name !== undefined
  return {
    ...(flag(text, fields, 'volume-nocopy') && { NoCopy: true }),
    ...(lists.has('volume-label') && { Labels: lists.get('volume-label') }),
    ...(fields.has('volume-subpath') && { Subpath: fields.get('volume-subpath') }),
    ...(hasDriver && {
      DriverConfig: { ...(Name !== undefined && { Name }), ...(Options && { Options }) },
    }),
  }
}

function tmpfsOptions(text: string, fields: Fields): object {
  const mode = fields.get('tmpfs-mode')
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) throw invalid(text, 'tmpfs-mode is octal')
  const size = fields.get('tmpfs-size')
  return {
    ...(size !== undefined && { SizeBytes: sizeBytes('--mount tmpfs-size', size) }),
    ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }),
  }
}

/** A flag is set by its name alone. */
function flag(text: string, fields: Fields, key: string): boolean {
  const value = fields.get(key)
  if (value === undefined) return false
  if (['', 'true', '1'].includes(value)) return true
  if (['false', '0'].includes(value)) return false
  throw invalid(text, `${key} is true or false`)
}

const asked = (name: string, options: object): object =>
  Object.keys(options).length === 0 ? {} : { [name]: options }

const invalid = (text: string, hint: string): Error =>
  usage(`invalid --mount ${JSON.stringify(text)}`, hint)
