import type { Json, JsonObject } from '../../mesh/base/json.ts'
import type { TaskSpec } from './docker.ts'
import { sameJson } from './same-json.ts'
import { taskDefaults } from './task-defaults.ts'

const answers = new WeakMap<TaskSpec, WeakMap<TaskSpec, boolean>>()

/**
 * Whether a task made from one template would be the same as one made from the other. Where it may
 * run and how it is restarted is the leader's business, no container has to change for that.
 * Remembered: specs are immutable, and rules ask this of every task many times a second.
 */
export function isSameContainer(left: TaskSpec, right: TaskSpec): boolean {
  if (left === right) return true
  const known = answers.get(left)?.get(right)
  if (known !== undefined) return known
  const answer = sameMeaning(containerOf(left), containerOf(right))
  const ofLeft = answers.get(left) ?? new WeakMap<TaskSpec, boolean>()
  answers.set(left, ofLeft.set(right, answer))
  return answer
}

function containerOf(spec: TaskSpec): Json {
  const { Placement: _placement, RestartPolicy: _policy, ...rest } = taskDefaults(spec)
  const { Image, PullOptions: _credentials, ...container } = rest.ContainerSpec
  const task = { ...rest, ContainerSpec: { ...container, Image: tagged(Image) } }
  return task as unknown as Json
}

/** Docker's client adds `latest` to every update of a service that was made without a tag. */
function tagged(image: string): string {
  const isTagged = image.includes('@') || image.lastIndexOf(':') > image.lastIndexOf('/')
  return isTagged ? image : `${image}:latest`
}

/** Here an empty value is one: a map of the user's own keys, or a flag that has a third state. */
const literal: ReadonlySet<string> = new Set(['Labels', 'Sysctls', 'Options', 'Init'])

/** Go's clients write zero values out, or leave them out, as they like. */
function sameMeaning(left: Json | undefined, right: Json | undefined): boolean {
  if (saysNothing(left) && saysNothing(right)) return true
  if (!isObject(left) || !isObject(right)) return sameItems(left, right)
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...names].every((name) =>
    literal.has(name)
      ? sameJson(left[name] ?? {}, right[name] ?? {})
      : sameMeaning(left[name], right[name]),
  )
}

function sameItems(left: Json | undefined, right: Json | undefined): boolean {
  if (!Array.isArray(left) || !Array.isArray(right)) return sameJson(left, right)
  return left.length === right.length && left.every((item, at) => sameMeaning(item, right[at]))
}

function saysNothing(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === '') return true
  if (value === 0 || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  if (!isObject(value)) return false
  return Object.entries(value).every(([name, inner]) =>
    literal.has(name) ? sameJson(inner, {}) : saysNothing(inner),
  )
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
