/**
 * Decides whether a history of concurrent operations could have come from registers that do one
 * thing at a time: the algorithm of Wing and Gong with Lowe's memory of configurations, key by key
 * (a history is linearizable exactly when each key's part of it is).
 */
export type Value = string | null

export type Action =
  | { readonly kind: 'read'; readonly value: Value }
  | { readonly kind: 'write'; readonly value: Value }
  /** `isTaken` is null when nobody knows whether the register held what was expected. */
  | {
      readonly kind: 'compare-and-set'
      readonly expected: Value
      readonly value: Value
      readonly isTaken: boolean | null
    }

export interface Operation {
  readonly key: string
  readonly calledAt: number
  /** Infinity when the outcome is unknown: it may have happened at any later time, or never. */
  readonly returnedAt: number
  readonly action: Action
}

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** No order explains what `key` answered; the longest one that was found ends before `stuckAt`. */
  | { readonly kind: 'anomaly'; readonly key: string; readonly stuckAt: readonly Operation[] }
  /** Time was up before all orders were tried. */
  | { readonly kind: 'undecided'; readonly key: string }

export interface CheckOptions {
  /** What the register holds before anybody writes; null when absent. */
  readonly initial?: Value
  /** 10 s when absent; for all keys together. */
  readonly limitMs?: number
}

export function checkLinearizable(
  history: readonly Operation[],
  { initial = null, limitMs = 10_000 }: CheckOptions = {},
): Verdict {
  const deadlineMs = performance.now() + limitMs
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const search = new Search(operations, initial, deadlineMs)
    const outcome = search.run()
    if (outcome === 'undecided') return { kind: 'undecided', key }
    if (outcome === 'none') return { kind: 'anomaly', key, stuckAt: search.stuckAt() }
  }
  return { kind: 'linearizable' }
}

/** What the register holds after the action; undefined when it could not have answered so. */
function step(state: Value, action: Action): Value | undefined {
  switch (action.kind) {
    case 'read':
      return action.value === state ? state : undefined
    case 'write':
      return action.value
    case 'compare-and-set': {
      const holds = action.expected === state
      if (action.isTaken !== null && action.isTaken !== holds) return undefined
      return holds ? action.value : state
    }
  }
}

/** The call or the return of an operation, in a list from which pairs are lifted and put back. */
interface Event {
  readonly operation: number
  readonly isCall: boolean
  /** The return of this call; null when there is none. */
  match: Event | null
  previous: Event | null
  next: Event | null
}

interface Choice {
  readonly call: Event
  readonly before: Value
}

const stepsBetweenLooks = 1024

class Search {
  readonly #operations: readonly Operation[]
  readonly #deadlineMs: number
  readonly #head: Event
  readonly #done: OperationSet
  readonly #seen = new Set<string>()
  readonly #choices: Choice[] = []
  #state: Value
  /** Known answers that the order so far does not explain yet; the end is when there are none. */
  #unexplained: number
  #fewestUnexplained: number
  #stuckAt: Event | null = null

  constructor(operations: readonly Operation[], initial: Value, deadlineMs: number) {
    this.#operations = operations
    this.#deadlineMs = deadlineMs
    this.#head = listOf(operations)
    this.#done = new OperationSet(operations.length)
    this.#state = initial
    this.#unexplained = operations.filter(isKnown).length
    this.#fewestUnexplained = this.#unexplained
  }

  run(): 'found' | 'none' | 'undecided' {
    let event = this.#head.next
    for (let steps = 1; this.#unexplained > 0; steps++) {
      if (steps % stepsBetweenLooks === 0 && performance.now() > this.#deadlineMs) {
        return 'undecided'
      }
      if (event?.isCall === true) {
        event = this.#tryNext(event) ? this.#head.next : event.next
        continue
      }
      // Something returned before it could happen: the last choice was wrong.
      this.#noteStuck(event)
      const choice = this.#choices.pop()
      if (choice === undefined) return 'none'
      this.#undo(choice)
      event = choice.call.next
    }
    return 'found'
  }

  /** The operation that could not be explained in the best order found, and those beside it. */
  stuckAt(): readonly Operation[] {
    const stuck = this.#operations[this.#stuckAt?.operation ?? -1]
    if (stuck === undefined) return []
    return this.#operations.filter(
      ({ calledAt, returnedAt }) => calledAt <= stuck.returnedAt && returnedAt >= stuck.calledAt,
    )
  }

  #tryNext(call: Event): boolean {
    const operation = this.#operations[call.operation] as Operation
    const after = step(this.#state, operation.action)
    if (after === undefined) return false
    // Without an answer to explain, an operation that changes nothing need not happen.
    if (!isKnown(operation) && after === this.#state) return false
    this.#done.add(call.operation)
    if (!this.#isNew(after)) {
      this.#done.remove(call.operation)
      return false
    }
    this.#choices.push({ call, before: this.#state })
    this.#state = after
    if (call.match !== null) this.#unexplained--
    lift(call)
    return true
  }

  #isNew(state: Value): boolean {
    const configuration = `${this.#done.text()} ${JSON.stringify(state)}`
    if (this.#seen.has(configuration)) return false
    this.#seen.add(configuration)
    return true
  }

  #undo({ call, before }: Choice): void {
    this.#done.remove(call.operation)
    this.#state = before
    if (call.match !== null) this.#unexplained++
    putBack(call)
  }

  #noteStuck(event: Event | null): void {
    if (this.#unexplained > this.#fewestUnexplained) return
    this.#fewestUnexplained = this.#unexplained
    this.#stuckAt = event
  }
}

const isKnown = ({ returnedAt }: Operation): boolean => returnedAt !== Infinity

/** All calls and returns by time; at one instant calls come first, for who can tell. */
function listOf(operations: readonly Operation[]): Event {
  const timed = operations.flatMap((operation, at) => {
    const call: Event = { operation: at, isCall: true, match: null, previous: null, next: null }
    if (!isKnown(operation)) return [{ atMs: operation.calledAt, event: call }]
    const end: Event = { operation: at, isCall: false, match: null, previous: null, next: null }
    call.match = end
    return [
      { atMs: operation.calledAt, event: call },
      { atMs: operation.returnedAt, event: end },
    ]
  })
  timed.sort((a, b) => a.atMs - b.atMs || Number(b.event.isCall) - Number(a.event.isCall))
  const head: Event = { operation: -1, isCall: true, match: null, previous: null, next: null }
  let last = head
  for (const { event } of timed) {
    last.next = event
    event.previous = last
    last = event
  }
  return head
}

function lift(call: Event): void {
  for (const event of [call, call.match]) {
    if (event === null) continue
    if (event.previous !== null) event.previous.next = event.next
    if (event.next !== null) event.next.previous = event.previous
  }
}

/** The reverse of `lift`, in reverse order: the two may stand side by side. */
function putBack(call: Event): void {
  for (const event of [call.match, call]) {
    if (event === null) continue
    if (event.previous !== null) event.previous.next = event
    if (event.next !== null) event.next.previous = event
  }
}

/** Which operations have happened; its text leaves out the long beginning where all have. */
class OperationSet {
  readonly #words: Uint32Array

  constructor(size: number) {
    this.#words = new Uint32Array(Math.ceil(size / 32))
  }

  add(operation: number): void {
    const at = operation >>> 5
    this.#words[at] = (this.#words[at] ?? 0) | (1 << (operation & 31))
  }

  remove(operation: number): void {
    const at = operation >>> 5
    this.#words[at] = (this.#words[at] ?? 0) & ~(1 << (operation & 31))
  }

  text(): string {
    const words = this.#words
    let from = 0
    while (words[from] === 0xffffffff) from++
    let to = words.length
    while (to > from && words[to - 1] === 0) to--
    return `${from}:${words.subarray(from, to).join(',')}`
  }
}
