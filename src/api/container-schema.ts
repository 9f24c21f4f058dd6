import { isIP } from 'node:net'
import * as z from 'zod'
import type { ContainerSpec } from '../model/container-spec.ts'
import { templateProblem } from '../model/template.ts'
import { later, only } from './decode.ts'

/** Docker's ContainerSpec: what meshd acts on is typed, what it does not is `later` or `only`. */

const text = z.string().max(64 * 1024)
const texts = z.array(text).max(10_000)
const word = z.string().max(4096)
const textMap = z.record(z.string().min(1, 'needs a name'), text)
const durationNs = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const count = durationNs

/** Where Swarm expands templates: a wrong one is refused now, not by every task. */
const template = text.superRefine((value, context) => {
  const problem = templateProblem(value)
  if (problem !== null) context.addIssue({ code: 'custom', message: problem })
})

const isPath = (value: string): boolean => value.startsWith('/') || value.startsWith('{{')

const bindOptions = z.strictObject({
  Propagation: z
    .enum(['', 'rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'])
    .exactOptional(),
  NonRecursive: z.boolean().exactOptional(),
  CreateMountpoint: z.boolean().exactOptional(),
  ReadOnlyNonRecursive: z.boolean().exactOptional(),
  ReadOnlyForceRecursive: z.boolean().exactOptional(),
})

export const driver = z.strictObject({
  Name: z.string().max(256).exactOptional(),
  Options: textMap.exactOptional(),
})

const volumeOptions = z.strictObject({
  NoCopy: z.boolean().exactOptional(),
  Labels: z.record(z.string().min(1, 'a label needs a name'), template).exactOptional(),
  DriverConfig: z
    .strictObject({
      Name: z.string().max(256).exactOptional(),
      Options: z.record(z.string().min(1, 'needs a name'), template).exactOptional(),
    })
    .exactOptional(),
  Subpath: word.exactOptional(),
})

const tmpfsOptions = z.strictObject({
  SizeBytes: count.exactOptional(),
  Mode: z.int().min(0).max(0o7777).exactOptional(),
  Options: z.array(z.array(word).min(1).max(2)).max(100).exactOptional(),
})

const mount = z
  .strictObject({
    Type: only('bind', 'volume', 'tmpfs').exactOptional(),
    Source: template.exactOptional(),
    Target: template.refine(isPath, 'must be an absolute path'),
    ReadOnly: z.boolean().exactOptional(),
    Consistency: z.enum(['', 'default', 'consistent', 'cached', 'delegated']).exactOptional(),
    BindOptions: bindOptions.exactOptional(),
    VolumeOptions: volumeOptions.exactOptional(),
    TmpfsOptions: tmpfsOptions.exactOptional(),
    ImageOptions: later.exactOptional(),
    ClusterOptions: later.exactOptional(),
  })
  .superRefine((given, context) => {
    const problem = mountProblem(given)
    if (problem !== null) context.addIssue({ code: 'custom', message: problem })
  })

interface GivenMount {
  readonly Type?: string
  readonly Source?: string
  readonly BindOptions?: object
  readonly VolumeOptions?: object
  readonly TmpfsOptions?: object
}

function mountProblem(given: GivenMount): string | null {
  const { Type = '', Source = '' } = given
  if (Type === '') return 'needs a Type: bind, volume or tmpfs'
  if (Type === 'bind' && !isPath(Source)) return 'a bind mount needs an absolute path as its Source'
  if (Type === 'tmpfs' && Source !== '') return 'a tmpfs mount has no Source'
  if (Type === 'volume' && Source.startsWith('/')) return 'the Source of a volume is its name'
  const options = { bind: 'BindOptions', volume: 'VolumeOptions', tmpfs: 'TmpfsOptions' } as const
  const foreign = Object.entries(options).find(
    ([type, name]) => type !== Type && given[name] !== undefined,
  )
  return foreign === undefined ? null : `${foreign[1]} do not go with Type ${Type}`
}

const interval = durationNs.refine(
  (value) => value === 0 || value >= 1_000_000,
  'must be 0 or at least 1 ms',
)

const healthcheck = z.strictObject({
  Test: texts
    .refine(
      ([kind]) => kind === undefined || ['NONE', 'CMD', 'CMD-SHELL', ''].includes(kind),
      'must begin with NONE, CMD or CMD-SHELL',
    )
    .exactOptional(),
  Interval: interval.exactOptional(),
  Timeout: interval.exactOptional(),
  StartPeriod: interval.exactOptional(),
  StartInterval: interval.exactOptional(),
  Retries: count.exactOptional(),
})

const dnsConfig = z.strictObject({
  Nameservers: z
    .array(word.refine((value) => isIP(value) !== 0, 'must be an IP address'))
    .max(100)
    .exactOptional(),
  Search: z.array(word).max(100).exactOptional(),
  Options: z.array(word).max(100).exactOptional(),
})

const privileges = z.strictObject({
  CredentialSpec: later.exactOptional(),
  NoNewPrivileges: z.boolean().exactOptional(),
  Seccomp: z
    .strictObject({
      Mode: z.enum(['default', 'unconfined', 'custom']).exactOptional(),
      Profile: z
        .base64()
        .max(1024 * 1024)
        .exactOptional(),
    })
    .exactOptional(),
  AppArmor: z
    .strictObject({ Mode: z.enum(['default', 'disabled']).exactOptional() })
    .exactOptional(),
  SELinuxContext: z
    .strictObject({
      Disable: z.boolean().exactOptional(),
      User: word.exactOptional(),
      Role: word.exactOptional(),
      Type: word.exactOptional(),
      Level: word.exactOptional(),
    })
    .exactOptional(),
})

const ulimit = z.strictObject({
  Name: z.string().min(1, 'an ulimit needs a name').max(64),
  Soft: z.int().min(-1).exactOptional(),
  Hard: z.int().min(-1).exactOptional(),
})

const isHostLine = (line: string): boolean => {
  const [address = '', ...names] = line.trim().split(/\s+/)
  return isIP(address) !== 0 && names.length > 0
}

const capabilities = z
  .array(z.string().regex(/^[A-Za-z_]{1,64}$/, 'is not the name of a capability'))
  .max(100)

export const containerSpec: z.ZodType<ContainerSpec> = z.strictObject({
  Image: z.string().min(1, 'an image is needed').max(4096),
  Command: texts.exactOptional(),
  Args: texts.exactOptional(),
  Env: z
    .array(template.refine((entry) => /^[^=\0]+(=|$)/.test(entry), 'must be NAME=value or NAME'))
    .max(10_000)
    .exactOptional(),
  Labels: textMap.exactOptional(),
  StopSignal: z
    .string()
    .regex(
      /^(?:\d{1,2}|(?:SIG)?[A-Za-z0-9]{1,10}(?:[+-]\d{1,2})?)?$/,
      'is not the name of a signal',
    )
    .exactOptional(),
  StopGracePeriod: durationNs.exactOptional(),
  Hostname: template.exactOptional(),
  Dir: word.exactOptional(),
  User: word.exactOptional(),
  Groups: z.array(word).max(1000).exactOptional(),
  Privileges: privileges.exactOptional(),
  TTY: z.boolean().exactOptional(),
  OpenStdin: z.boolean().exactOptional(),
  ReadOnly: z.boolean().exactOptional(),
  Mounts: z.array(mount).max(1000).exactOptional(),
  Healthcheck: healthcheck.exactOptional(),
  Hosts: z
    .array(word.refine(isHostLine, 'must be an IP address and names, as in /etc/hosts'))
    .max(1000)
    .exactOptional(),
  DNSConfig: dnsConfig.exactOptional(),
  Secrets: later.exactOptional(),
  Configs: later.exactOptional(),
  Isolation: only('default').exactOptional(),
  Init: z.boolean().exactOptional(),
  Sysctls: textMap.exactOptional(),
  CapabilityAdd: capabilities.exactOptional(),
  CapabilityDrop: capabilities.exactOptional(),
  Ulimits: z.array(ulimit).max(100).exactOptional(),
  OomScoreAdj: z.int().min(-1000).max(1000).exactOptional(),
  // What a client read carries none; credentials come as X-Registry-Auth.
  PullOptions: later.exactOptional(),
})
