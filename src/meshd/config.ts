import * as z from 'zod'
import { MeshError } from '../../mesh/base/mesh-error.ts'

/** All that `meshd up` can be told, parsed once; nobody asks for a default after this. */
export interface Config {
  readonly dataDir: string
  readonly socketPath: string
  readonly join: JoinTarget | null
  /** Recovery: the other managers are gone for good. */
  readonly forceNewCluster: boolean
  /** Of a new cluster: managers lock their keys. */
  readonly autolock: boolean
  /** What a manager's log may take on the disk, beside its two snapshots. */
  readonly maxLogBytes: number
  readonly listenAddr: string
  /** Null: the address by which this machine reaches the others. */
  readonly advertiseAddr: string | null
  readonly controlPort: number
  readonly gossipPort: number
  readonly dataPathPort: number
  /** Where whoever comes may read the metrics, by plain HTTP; null: nowhere but in the API. */
  readonly metricsAddr: ListenAddress | null
  /** Null: docker when its engine answers, else a refusal. */
  readonly runtime: 'docker' | 'process' | null
  readonly dockerSocket: string
  readonly labels: Readonly<Record<string, string>>
  /** Null: one per core. */
  readonly ingressWorkers: number | null
  readonly availability: 'active' | 'pause' | 'drain'
  readonly logFormat: 'json' | 'pretty'
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Null: the machine's host name. */
  readonly name: string | null
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export interface JoinTarget {
  readonly token: string
  readonly host: string
  readonly port: number
}

/** Decimal digits and nothing else: `0x10` and `1e3` are typing errors, not numbers. */
const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min).max(max))
const port = number(1, 65_535)
const ip = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' })

const label = z.string().regex(/^[^=\s]+=.*$/, 'must be KEY=VALUE')
const nodeName = z.string().regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/)

const settings = z.strictObject({
  dataDir: z.string().min(1).default('/var/lib/meshd'),
  socket: z.string().min(1).max(100).default('/run/meshd.sock'),
  join: z.string().nullable().default(null),
  forceNewCluster: z.boolean().default(false),
  autolock: z.boolean().default(false),
  maxLogBytes: number(16 << 20, 999_999_999).default(64 << 20),
  listenAddr: ip.default('0.0.0.0'),
  advertiseAddr: ip
    .refine((address) => !isWildcard(address), 'must be an address of this machine')
    .nullable()
    .default(null),
  port: port.default(2377),
  gossipPort: port.default(7946),
  dataPathPort: port.default(4789),
  metricsAddr: z.string().transform(readMetricsAddr).nullable().default(null),
  runtime: z.enum(['docker', 'process']).nullable().default(null),
  dockerSocket: z.string().min(1).default('/var/run/docker.sock'),
  label: z.array(label).max(100).default([]),
  ingressWorkers: number(1, 256).nullable().default(null),
  ingressEngine: z.enum(['auto', 'ring', 'net']).default('auto'),
  availability: z.enum(['active', 'pause', 'drain']).default('active'),
  logFormat: z.enum(['json', 'pretty']).nullable().default(null),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  name: nodeName.nullable().default(null),
})

type Settings = z.infer<typeof settings>

export interface Sources {
  /** As commander hands them over: camelCase, only those that were given. */
  readonly flags: Readonly<Record<string, unknown>>
  /** `MESHD_DATA_DIR=…` and so on; unknown `MESHD_` names are errors. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTerminal: boolean
}

/** Flags win over the environment, the environment over defaults. Rejects with `config/invalid`. */
export function parseConfig(sources: Sources): Config {
  const result = settings.safeParse({ ...fromEnvironment(sources.env), ...sources.flags })
  if (!result.success) throw invalid(result.error)
  const given = result.data
  if (new Set([given.port, given.gossipPort, given.dataPathPort]).size < 3) {
    const reason = '--port, --gossip-port and --data-path-port must differ'
    throw new MeshError({ code: 'config/invalid', reason })
  }
  if (given.forceNewCluster && given.join !== null) {
    const reason = '--force-new-cluster goes on with the cluster of this data directory: no --join'
    throw new MeshError({ code: 'config/invalid', reason })
  }
  if (given.autolock && given.join !== null) {
    const reason = '--autolock is for a new cluster: who joins one does as it does'
    throw new MeshError({ code: 'config/invalid', reason })
  }
  if (given.ingressEngine === 'ring') {
    throw new MeshError({ code: 'config/no-such-engine', engine: 'ring' })
  }
  return {
    dataDir: given.dataDir,
    socketPath: given.socket,
    join: given.join === null ? null : parseJoin(given.join),
    forceNewCluster: given.forceNewCluster,
    autolock: given.autolock,
    maxLogBytes: given.maxLogBytes,
    listenAddr: given.listenAddr,
    advertiseAddr: given.advertiseAddr ?? (isWildcard(given.listenAddr) ? null : given.listenAddr),
    controlPort: given.port,
    gossipPort: given.gossipPort,
    dataPathPort: given.dataPathPort,
    metricsAddr: given.metricsAddr,
    runtime: given.runtime,
    dockerSocket: given.dockerSocket,
    labels: parseLabels(given),
    ingressWorkers: given.ingressWorkers,
    availability: given.availability,
    logFormat: given.logFormat ?? (sources.isTerminal ? 'pretty' : 'json'),
    logLevel: given.logLevel,
    name: given.name,
  }
}

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

function fromEnvironment(env: Sources['env']): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('MESHD_') || value === undefined) continue
    const key = camelCase(name.slice('MESHD_'.length))
    found[key] = key === 'label' ? value.split(',') : value
  }
  return found
}

const camelCase = (name: string): string =>
  name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const kebabCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

function parseLabels(given: Settings): Record<string, string> {
  return Object.fromEntries(
    given.label.map((text) => [
      text.slice(0, text.indexOf('=')),
      text.slice(text.indexOf('=') + 1),
    ]),
  )
}

/** `IP:PORT`, IPv6 in brackets. */
function readMetricsAddr(text: string, context: z.RefinementCtx): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain ?? ''
  const parsed = port.safeParse(digits)
  if (ip.safeParse(host).success && parsed.success) return { host, port: parsed.data }
  context.addIssue({ code: 'custom', message: 'must be IP:PORT such as 127.0.0.1:9323' })
  return z.NEVER
}

/** `TOKEN@HOST[:PORT]`, IPv6 in brackets. */
function parseJoin(text: string): JoinTarget {
  const match = /^([^@\s]+)@(\[[0-9a-fA-F:.]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text)
  const parsedPort = port.safeParse(match?.[3] ?? '2377')
  if (match?.[1] === undefined || match[2] === undefined || !parsedPort.success) {
    // The text holds a secret: it is not repeated.
    throw new MeshError({ code: 'config/invalid', reason: '--join must be TOKEN@HOST:PORT' })
  }
  return { token: match[1], host: match[2].replace(/^\[|\]$/g, ''), port: parsedPort.data }
}

function invalid(error: z.ZodError): MeshError {
  const reasons = error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys')
      return `unknown setting ${issue.keys.map(kebabCase).join(', ')}`
    return `--${kebabCase(String(issue.path[0]))}: ${issue.message}`
  })
  return new MeshError({ code: 'config/invalid', reason: reasons.join('; ') })
}
