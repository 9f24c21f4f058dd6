/** Numbers, and lists of them, under names that say what they count. */
export type Counted = { readonly id: string }

/** Each number, and each in a list, added to its like. Both must be of one kind. */
export function addCounts<Count extends Counted>(left: Count, right: Count): Count {
  const more = new Map<string, unknown>(Object.entries(right))
  const sums = Object.entries(left).map(([name, value]) => [name, add(value, more.get(name))])
  return Object.fromEntries(sums) as Count
}

/** What is left of the numbers of somebody who is gone: nothing of it is open any more. */
export function closedCounts<Count extends Counted>(count: Count): Count {
  const closed = Object.entries(count).map(([name, value]) => [name, isLevel(name) ? 0 : value])
  return Object.fromEntries(closed) as Count
}

/** How much more than before; levels as they are. */
export function growthOf<Count extends Counted>(now: Count, before: Count | undefined): Count {
  if (before === undefined) return now
  const earlier = new Map<string, unknown>(Object.entries(before))
  const growth = Object.entries(now).map(([name, value]) => [
    name,
    isLevel(name) ? value : add(value, negative(earlier.get(name))),
  ])
  return Object.fromEntries(growth) as Count
}

export function sumById<Count extends Counted>(counts: readonly Count[]): Count[] {
  const byId = Map.groupBy(counts, (count) => count.id)
  return [...byId.values()].map((same) => same.reduce(addCounts))
}

/** These go up and down; all others only up. */
const isLevel = (name: string): boolean => name === 'open' || name === 'inFlight'

function add(left: unknown, right: unknown): unknown {
  if (typeof left === 'number' && typeof right === 'number') return left + right
  if (!Array.isArray(left) || !Array.isArray(right)) return left
  return left.map((value: number, at) => value + Number(right[at] ?? 0))
}

function negative(value: unknown): unknown {
  if (typeof value === 'number') return -value
  return Array.isArray(value) ? value.map((each: number) => -each) : value
}
