import { saysNothing } from './decode.ts'

/**
 * Where two values differ, as a path such as `ContainerSpec.Image`; null when they mean the same to
 * Go's clients, which write zero values out, or leave them out, as they like.
 */
export function firstDifference(left: unknown, right: unknown, path = ''): string | null {
  if (saysNothing(left) && saysNothing(right)) return null
  if (!isObject(left) || !isObject(right)) {
    const isLeaf = !isObject(left) && !isObject(right)
    return isLeaf && left === right ? null : path
  }
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const inner = Array.isArray(left) || path === '' ? path || key : `${path}.${key}`
    const difference = firstDifference(left[key], right[key], inner)
    if (difference !== null) return difference
  }
  return null
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
