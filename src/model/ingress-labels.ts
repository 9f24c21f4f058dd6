import type { PortConfig } from './docker.ts'
import { parseGoDuration } from './go-duration.ts'
import {
  defaultIngressOptions,
  ingressOptions,
  udpOptions,
  type IngressOptions,
} from './ingress-options.ts'
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

export interface LabelProblem {
  /** `not-yet` is a documented label that has no effect, yet or beside the others. */
  readonly kind: 'not-yet' | 'unknown' | 'malformed'
  readonly label: string
  /** For people: what is wrong with it, and the nearest label that would do. */
  readonly text: string
}

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
  problems.push(...idleLabels(labels, ingress))
  const drainMs = durations.get(drainLabel) ?? null
  return { ingress, drainMs, updateDeadlineMs: durations.get(deadlineLabel) ?? null, problems }
}

/** Why a label, though well written, would do nothing for these ports; null when each does. */
export function uselessLabel(
  labels: Readonly<Record<string, string>>,
  ports: readonly PortConfig[],
): string | null {
  for (const label of Object.keys(labels)) {
    const [, digits, option = ''] = ingressPattern.exec(label) ?? []
    if (digits === undefined) continue
    const named = ports.filter((port) => port.PublishedPort === Number(digits))
    if (named.length === 0) {
      const published = ports.map((port) => port.PublishedPort)
      const known = published.length === 0 ? 'no port' : `port ${published.join(', ')}`
      return `mesh.ingress.${digits}.… has no effect: the service publishes ${known}`
    }
    const isUdpOnly = named.every((port) => port.Protocol === 'udp')
    if (isUdpOnly && !udpOptions.includes(option)) {
      return `${label} has no effect on port ${digits}/udp`
    }
  }
  return null
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
  const known = Object.hasOwn(ingressOptions, option) ? ingressOptions[option] : undefined
  if (known === undefined) return unknown(label)
  const set = known.read(value)
  return set === null ? malformed(label, value, known.values) : { kind: 'option', port, set }
}

/** Labels of a port that are right in themselves, and do nothing with its protocol. */
function idleLabels(
  labels: Readonly<Record<string, string>>,
  ingress: ReadonlyMap<number, IngressOptions>,
): LabelProblem[] {
  const problems: LabelProblem[] = []
  for (const [label, value] of Object.entries(labels)) {
    const [, port, option = ''] = ingressPattern.exec(label) ?? []
    const only = Object.hasOwn(ingressOptions, option) ? ingressOptions[option]?.only : null
    const options = ingress.get(Number(port))
    if (!only || options === undefined || options.protocol === only) continue
    const text = `${label}=${value}: has no effect without mesh.ingress.${port}.protocol=${only}`
    problems.push({ kind: 'not-yet', label, text })
  }
  return problems
}

function unknown(label: string): Reading {
  const port = /\d+/.exec(label)?.[0] ?? '<published port>'
  const ofPort = Object.keys(ingressOptions).map((option) => `mesh.ingress.${port}.${option}`)
  const valid = label.startsWith('mesh.ingress.') ? ofPort : [...durationLabels, ...ofPort]
  return problem('unknown', label, `${label}: unknown; did you mean ${nearest(label, valid)}?`)
}

function malformed(label: string, value: string, values: readonly string[] | string): Reading {
  if (typeof values === 'string') {
    return problem('malformed', label, `${label}=${value}: must be ${values}`)
  }
  const text = `${label}=${value}: must be ${values.join(' or ')}; did you mean ${label}=${nearest(value, values)}?`
  return problem('malformed', label, text)
}

const problem = (kind: LabelProblem['kind'], label: string, text: string): Reading => ({
  kind: 'problem',
  problem: { kind, label, text },
})
