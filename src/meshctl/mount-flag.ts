import { resolve } from 'node:path'
import type { Mount } from '../client/types.ts'
import { usage } from './command-error.ts'
import type { ListChange } from './flag-rows.ts'
import { sizeBytes } from './quantities.ts'
import { fieldsOf } from './words.ts'

/** Throws what is wrong with the whole, and why. */
type Fail = (hint: string) => never

interface Fields {
  readonly fail: Fail
  readonly single: ReadonlyMap<string, string>
  readonly maps: ReadonlyMap<string, Readonly<Record<string, string>>>
}

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
  'bind-recursive',
  'bind-create-src',
  'bind-nonrecursive',
  'volume-nocopy',
  'volume-driver',
  'volume-subpath',
  'tmpfs-size',
  'tmpfs-mode',
]

const mapKeys = ['volume-label', 'volume-opt']
/** Set by their names alone. */
const flagKeys = ['readonly', 'bind-create-src', 'bind-nonrecursive', 'volume-nocopy']

/** Docker's `--mount`: `type=bind,source=/a,target=/b,readonly`. */
export function parseMount(flag: string, text: string): Mount {
  const fields = readFields(flag, text)
  const { single, fail } = fields
  const Type = (single.get('type') ?? 'volume').toLowerCase()
  const Target = single.get('target')
  if (!Target) return fail('it needs target=PATH')
  const foreign = [...single.keys(), ...fields.maps.keys()].find((key) => {
    const [kind = ''] = key.split('-')
    return key.includes('-') && kind !== Type
  })
  if (foreign !== undefined) fail(`${foreign} does not go with type=${Type}`)
  return {
    Type,
    ...(single.has('source') && { Source: absolute(single.get('source') ?? '') }),
    Target,
    ...(isOn(fields, 'readonly') && { ReadOnly: true }),
    ...(single.has('consistency') && { Consistency: single.get('consistency') ?? '' }),
    ...asked('BindOptions', bindOptions(fields)),
    ...asked('VolumeOptions', volumeOptions(fields)),
    ...asked('TmpfsOptions', tmpfsOptions(fields)),
  }
}

function readFields(flag: string, text: string): Fields {
  const fail: Fail = (hint) => {
    throw usage(`invalid ${flag} ${JSON.stringify(text)}`, hint)
  }
  const single = new Map<string, string>()
  const maps = new Map<string, Record<string, string>>()
  for (const field of fieldsOf(flag, text)) {
    const [name, value] = cutAt(field)
    const key = aliases[name.toLowerCase()] ?? name.toLowerCase()
    if (mapKeys.includes(key)) {
      const [entry, word = ''] = cutAt(value ?? '')
      maps.set(key, { ...maps.get(key), [entry]: word })
    } else if (!keys.includes(key)) fail(`fields: ${[...keys, ...mapKeys].join(', ')}`)
    else if (value === undefined && !flagKeys.includes(key)) fail(`${key} needs a value`)
    else single.set(key, value ?? 'true')
  }
  return { fail, single, maps }
}

function cutAt(text: string): readonly [string, string?] {
  const cut = text.indexOf('=')
  return cut < 0 ? [text] : [text.slice(0, cut), text.slice(cut + 1)]
}

/** A path that begins here is this machine's, as docker's client has it. */
const absolute = (source: string): string =>
  source === '.' || source.startsWith('./') ? resolve(source) : source

function bindOptions(fields: Fields): object {
  const { single } = fields
  return {
    ...(single.has('bind-propagation') && {
      Propagation: single.get('bind-propagation')?.toLowerCase(),
    }),
    ...(isOn(fields, 'bind-nonrecursive') && { NonRecursive: true }),
    ...(isOn(fields, 'bind-create-src') && { CreateMountpoint: true }),
    ...recursion(fields),
  }
}

/** What happens to mounts inside the mount. */
function recursion(fields: Fields): object {
  const { single, fail } = fields
  switch (single.get('bind-recursive')) {
    case undefined:
    case 'enabled':
      return {}
    case 'disabled':
      return { NonRecursive: true }
    case 'writable':
      return { ReadOnlyNonRecursive: true }
    case 'readonly':
      if (!isOn(fields, 'readonly')) fail('bind-recursive=readonly needs readonly')
      if (single.get('bind-propagation') !== 'rprivate') {
        fail('bind-recursive=readonly needs bind-propagation=rprivate')
      }
      return { ReadOnlyForceRecursive: true }
    default:
      return fail('bind-recursive is enabled, disabled, writable or readonly')
  }
}

function volumeOptions(fields: Fields): object {
  const { single, maps } = fields
  const Options = maps.get('volume-opt')
  const Name = single.get('volume-driver')
  const hasDriver = Options !== undefined || Name !== undefined
  return {
    ...(isOn(fields, 'volume-nocopy') && { NoCopy: true }),
    ...(maps.has('volume-label') && { Labels: maps.get('volume-label') }),
    ...(single.has('volume-subpath') && { Subpath: single.get('volume-subpath') }),
    ...(hasDriver && {
      DriverConfig: { ...(Name !== undefined && { Name }), ...(Options && { Options }) },
    }),
  }
}

function tmpfsOptions({ single, fail }: Fields): object {
  const mode = single.get('tmpfs-mode')
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) fail('tmpfs-mode is octal')
  const size = single.get('tmpfs-size')
  return {
    ...(size !== undefined && { SizeBytes: sizeBytes('tmpfs-size', size) }),
    ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }),
  }
}

function isOn({ single, fail }: Fields, key: string): boolean {
  const value = (single.get(key) ?? 'false').toLowerCase()
  if (['true', '1', 't'].includes(value)) return true
  if (['false', '0', 'f'].includes(value)) return false
  return fail(`${key} is true or false`)
}

const asked = (name: string, options: object): object =>
  Object.keys(options).length === 0 ? {} : { [name]: options }

/** One a target; sorted, so that the same mounts are the same list. */
export function mergedMounts({ before, added, removed }: ListChange<Mount>): readonly Mount[] {
  const byTarget = new Map(before.map((mount) => [mount.Target, mount]))
  for (const mount of added) byTarget.set(mount.Target, mount)
  if (new Set(added.map(({ Target }) => Target)).size < added.length) {
    throw usage('two mounts have the same target')
  }
  return [...byTarget.values()]
    .filter(({ Target }) => !removed.includes(Target))
    .toSorted((one, other) => (place(one) < place(other) ? -1 : 1))
}

const place = ({ Source = '', Target }: Mount): string => `${Source}\0${Target}`
