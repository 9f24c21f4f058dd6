/**
 * JSON.parse takes any depth, but much that walks a value later would run out of stack, and a
 * RangeError where a peer's bytes are read ends the process. So every value that is taken as it
 * comes is first measured.
 */
export function isNestedWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  return Object.values(value).every((inner) => isNestedWithin(inner, levels - 1))
}
