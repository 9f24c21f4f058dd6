import { parseGoDuration } from './go-duration.ts'
import { nearest } from './nearest.ts'

/** What the labels of a service ask of the ingress. */
export interface MeshLabels {
  /** By published port; a port without labels has the defaults and stands here not. */
  readonly ingress: ReadonlyMap<number, IngressOptions>
  /** `mesh.drain`; null: the default. */
  readonly drainMs: number | null
  /** `mesh.update.deadline`: how long a replaced task may take to run; null: the default. */
  readonly updateDeadlineMs: number | null
  /** Labels that cannot be followed; a spec that has any is refused. */
  readonly problems: readonly LabelProblem[]
}

export interface IngressOptions {
  readonly prefer: 'any' | 'local'
  readonly proxyProtocol: 'none' | 'v1' | 'v2'
}

export interface LabelProblem {
  /** `not-yet` is a documented label that has no effect yet. */
  readonly kind: 'not-yet' | 'unknown' | 'malformed'
  readonly label: string
  /** For people: what is wrong with it, and the nearest label that would do. */
  readonly text: string
}

export const defaultIngressOptions: IngressOptions = { prefer: 'any', proxyProtocol: 'none' }

/** Values by option; those of `later` are understood, and refused until they have an effect. */
const options: Readonly<Record<string, { now: readonly string[]; later: readonly string[] }>> = {
  prefer: { now: ['any', 'local'], later: [] },
  protocol: { now: ['tcp'], later: ['http'] },
  'proxy-protocol': { now: ['v1', 'v2'], later: [] },
}

const laterOptions: readonly string[] = [
  'balance',
  'listen',
  'trust',
  'connect-timeout',
  'idle-timeout',
  'request-timeout',
  'max-connections',
  'max-body',
]

const prefix = 'mesh.'
const drainLabel = 'mesh.drain'
const deadlineLabel = 'mesh.update.deadline'
const durationLabels: readonly string[] = [drainLabel, deadlineLabel]
const ingressPattern = /^mesh\.ingress\.([1-9]\d{0,4})\.([a-z-]+)$/

/** Reads every label that begins with `mesh.`; others are not ours. */
export function parseMeshLabels(labels: Readonly<Record<string, string>>): MeshLabels {
  const ingress = new Map<number, IngressOptions>()
  const problems: LabelProblem[] = []
  const durations = new Map<string, number>()
  for (const [label, value] of Object.entries(labels)) {
    if (!label.startsWith(prefix)) continue
    const isDuration = durationLabels.includes(label)
    const read = isDuration ? readDuration(label, value) : readIngress(label, value)
    if (read.kind === 'problem') problems.push(read.problem)
    if (read.kind === 'duration') durations.set(label, read.durationMs)
    if (read.kind === 'option') {
      ingress.set(read.port, { ...(ingress.get(read.port) ?? defaultIngressOptions), ...read.set })
    }
  }
  const drainMs = durations.get(drainLabel) ?? null
  return { ingress, drainMs, updateDeadlineMs: durations.get(deadlineLabel) ?? null, problems }
}

type Reading =
  | { readonly kind: 'duration'; readonly durationMs: number }
  | { readonly kind: 'option'; readonly port: number; readonly set: Partial<IngressOptions> }
  | { readonly kind: 'problem'; readonly problem: LabelProblem }

function readDuration(label: string, value: string): Reading {
  const durationMs = parseGoDuration(value)
  if (durationMs !== null && durationMs >= 0) return { kind: 'duration', durationMs }
  const text = `${label}=${value}: must be a duration such as 10s or 1m30s`
  return problem('malformed', label, text)
}

function readIngress(label: string, value: string): Reading {
  const match = ingressPattern.exec(label)
  const port = Number(match?.[1])
  const option = match?.[2] ?? ''
  if (match === null || port > 65_535) return unknown(label)
  if (laterOptions.includes(option)) return notYet(label, value)
  const known = Object.hasOwn(options, option) ? options[option] : undefined
  if (known === undefined) return unknown(label)
  if (known.later.includes(value)) return notYet(label, value)
  if (!known.now.includes(value)) return malformed(label, value, known.now)
  return { kind: 'option', port, set: optionSet(option, value) }
}

function optionSet(option: string, value: string): Partial<IngressOptions> {
  if (option === 'prefer') return { prefer: value === 'local' ? 'local' : 'any' }
  if (option === 'proxy-protocol') return { proxyProtocol: value === 'v1' ? 'v1' : 'v2' }
  return {}
}

function unknown(label: string): Reading {
  const port = /\d+/.exec(label)?.[0] ?? '<published port>'
  const known = [...Object.keys(options), ...laterOptions]
  const ofPort = known.map((option) => `mesh.ingress.${port}.${option}`)
  const valid = label.startsWith('mesh.ingress.') ? ofPort : [...durationLabels, ...ofPort]
  return problem('unknown', label, `${label}: unknown; did you mean ${nearest(label, valid)}?`)
}

function malformed(label: string, value: string, values: readonly string[]): Reading {
  const text = `${label}=${value}: must be ${values.join(' or ')}; did you mean ${label}=${nearest(value, values)}?`
  return problem('malformed', label, text)
}

const notYet = (label: string, value: string): Reading =>
  problem('not-yet', label, `${label}=${value}: has no effect yet`)

const problem = (kind: LabelProblem['kind'], label: string, text: string): Reading => ({
  kind: 'problem',
  problem: { kind, label, text },
})
