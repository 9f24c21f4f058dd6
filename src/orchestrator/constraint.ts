import type { NodeView } from '../model/node-view.ts'
import { isInRange } from '../model/ip-range.ts'

/** Swarm's grammar: `key==value` or `key!=value`; the key is matched whatever its case. */
export interface Constraint {
  readonly key: string
  readonly isNegated: boolean
  readonly value: string
}

const keyPattern = /^[a-z_][a-z0-9\-_.]+$/i
const valuePattern = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i
const nodeLabel = 'node.labels.'
const engineLabel = 'engine.labels.'

export function parseConstraint(text: string): Constraint | null {
  const match = /^(.+?)(==|!=)(.+)$/s.exec(text)
  const key = match?.[1]?.trim() ?? ''
  const value = match?.[3]?.trim() ?? ''
  if (!keyPattern.test(key) || !valuePattern.test(value)) return null
  return { key, isNegated: match?.[2] === '!=', value }
}

/** Why this text is no constraint; null when it is one, also of a key that no node has. */
export function constraintProblem(text: string): string | null {
  if (parseConstraint(text) !== null) return null
  return `constraint ${JSON.stringify(text)} must be key==value or key!=value, such as node.labels.zone==a`
}

/** A missing label equals nothing: `==` fails, `!=` holds. A key that nobody knows never matches. */
export function satisfies(node: NodeView, { key, isNegated, value }: Constraint): boolean {
  if (isSame(key, 'node.ip')) return isInRange(node.address, value) !== isNegated
  const actual = valueOf(node, key)
  if (actual === undefined) return false
  const wanted = isSame(key, 'node.platform.arch') ? normalArchitecture(value) : value
  return (actual !== null && isSame(actual, wanted)) !== isNegated
}

/** `x86_64` and `amd64` are one, as are `aarch64` and `arm64`. */
export function normalArchitecture(name: string): string {
  const lower = name.toLowerCase()
  if (lower === 'x86_64') return 'amd64'
  return lower === 'aarch64' ? 'arm64' : lower
}

/** Null for a label that the node has not, undefined for a key that does not exist. */
function valueOf(node: NodeView, key: string): string | null | undefined {
  switch (key.toLowerCase()) {
    case 'node.id':
      return node.id
    case 'node.hostname':
      return node.hostname
    case 'node.role':
      return node.role
    case 'node.platform.os':
      return node.platform.os
    case 'node.platform.arch':
      return normalArchitecture(node.platform.architecture)
    default:
      return labelOf(node, key)
  }
}

/** Null for a label that the node has not, undefined for what names no label. */
export function labelOf(node: NodeView, key: string): string | null | undefined {
  const lower = key.toLowerCase()
  if (lower.startsWith(nodeLabel)) return own(node.labels, key.slice(nodeLabel.length))
  if (lower.startsWith(engineLabel)) return own(node.engineLabels, key.slice(engineLabel.length))
  return undefined
}

const own = (labels: Readonly<Record<string, string>>, name: string): string | null =>
  Object.hasOwn(labels, name) ? (labels[name] ?? null) : null

const isSame = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase()
