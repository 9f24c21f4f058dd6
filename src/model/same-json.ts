import type { Json, JsonObject } from '../../mesh/base/json.ts'

/** Whether two values would be the same JSON; an undefined member counts as absent. */
export function sameJson(left: unknown, right: unknown): boolean {
  return same(left as Json | undefined, right as Json | undefined)
}

function same(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object') return false
  if (left === null || right === null) return false
  if (isList(left) || isList(right)) return isList(left) && isList(right) && sameList(left, right)
  return sameObject(left, right)
}

function sameList(left: readonly Json[], right: readonly Json[]): boolean {
  return left.length === right.length && left.every((item, at) => same(item, right[at]))
}

function sameObject(left: JsonObject, right: JsonObject): boolean {
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...names].every((name) => same(left[name], right[name]))
}

/** `Array.isArray` does not narrow read-only lists. */
const isList = (value: Json): value is readonly Json[] => Array.isArray(value)
