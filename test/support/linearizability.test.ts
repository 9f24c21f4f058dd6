import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom, shuffled, type Random } from '../../mesh/base/random.ts'
import {
  checkLinearizable,
  type Action,
  type Operation,
  type Value,
  type Verdict,
} from './linearizability.ts'

const read = (value: Value): Action => ({ kind: 'read', value })
const write = (value: Value): Action => ({ kind: 'write', value })
const swap = (expected: Value, value: Value, isTaken: boolean | null = true): Action => ({
  kind: 'compare-and-set',
  expected,
  value,
  isTaken,
})

/** An action on key `k` that lasted from one time to another. */
const from = (calledAt: number, returnedAt: number, action: Action, key = 'k'): Operation => ({
  key,
  calledAt,
  returnedAt,
  action,
})
const never = Infinity

const verdictOn = (...history: Operation[]): Verdict['kind'] => checkLinearizable(history).kind

test('what one client did one after the other is accepted, and a wrong answer in it is not', () => {
  const history = [
    from(0, 1, read(null)),
    from(2, 3, write('a')),
    from(4, 5, read('a')),
    from(6, 7, swap('a', 'b')),
    from(8, 9, swap('a', 'c', false)),
    from(10, 11, read('b')),
  ]
  assert.equal(verdictOn(...history), 'linearizable')
  assert.equal(verdictOn(...history, from(12, 13, read('a'))), 'anomaly')
  assert.equal(verdictOn(), 'linearizable')
})

test('reads beside a write may see the old value or the new one', () => {
  const writing = from(0, 10, write('a'))
  assert.equal(verdictOn(writing, from(1, 2, read(null)), from(3, 4, read('a'))), 'linearizable')
})

test('once one read saw the new value a later one cannot see the old one', () => {
  const writing = from(0, 10, write('a'))
  assert.equal(verdictOn(writing, from(1, 2, read('a')), from(3, 4, read(null))), 'anomaly')
  // Beside one another they can.
  assert.equal(verdictOn(writing, from(1, 4, read('a')), from(2, 3, read(null))), 'linearizable')
})

test('a stale read is found: the write was acknowledged before it began', () => {
  assert.equal(
    verdictOn(from(0, 1, write('a')), from(2, 3, write('b')), from(4, 5, read('a'))),
    'anomaly',
  )
})

test('a lost update is found: two swaps took the same value', () => {
  const both = [from(1, 5, swap('a', 'b')), from(2, 6, swap('a', 'c'))]
  assert.equal(verdictOn(from(0, 0.5, write('a')), ...both), 'anomaly')
  const one = [from(1, 5, swap('a', 'b')), from(2, 6, swap('a', 'c', false))]
  assert.equal(verdictOn(from(0, 0.5, write('a')), ...one), 'linearizable')
})

test('a swap that was refused although nobody had changed the value is found', () => {
  assert.equal(verdictOn(from(0, 1, write('a')), from(2, 3, swap('a', 'b', false))), 'anomaly')
})

test('a lost write is found: it was acknowledged, and nobody ever sees it', () => {
  const history = [from(0, 1, write('a')), from(2, 3, swap('a', 'b')), from(4, 5, read('a'))]
  assert.equal(verdictOn(...history), 'anomaly')
})

test('a value that nobody wrote is found', () => {
  assert.equal(verdictOn(from(0, 9, write('a')), from(1, 2, read('ghost'))), 'anomaly')
})

test('an operation of unknown outcome may have happened at once, much later, or never', () => {
  const unknown = from(0, never, write('a'))
  assert.equal(verdictOn(unknown, from(1, 2, read('a'))), 'linearizable')
  assert.equal(verdictOn(unknown, from(1, 2, read(null))), 'linearizable')
  const late = [from(1, 2, read(null)), from(50, 51, read('a')), from(52, 53, read('a'))]
  assert.equal(verdictOn(unknown, ...late), 'linearizable')
})

test('an operation of unknown outcome happens at most once, and not before its call', () => {
  const unknown = from(0, never, swap('a', 'b', null))
  const seen = [from(1, 2, read('b')), from(3, 4, write('a')), from(5, 6, read('b'))]
  assert.equal(verdictOn(from(-2, -1, write('a')), unknown, ...seen), 'anomaly')
  assert.equal(verdictOn(from(0, 1, read('a')), from(2, never, write('a'))), 'anomaly')
})

test('a swap of unknown outcome does nothing where the value is another one', () => {
  const unknown = from(2, never, swap('a', 'b', null))
  assert.equal(verdictOn(from(0, 1, write('x')), unknown, from(3, 4, read('x'))), 'linearizable')
  assert.equal(verdictOn(from(0, 1, write('x')), unknown, from(3, 4, read('b'))), 'anomaly')
})

test('keys have nothing to do with one another, and the verdict names the bad one', () => {
  const good = [from(0, 1, write('a'), 'good'), from(2, 3, read('a'), 'good')]
  const bad = [from(0, 1, write('a'), 'bad'), from(2, 3, read(null), 'bad')]
  const verdict = checkLinearizable([...good, ...bad])
  assert.equal(verdict.kind, 'anomaly')
  assert.equal(verdict.kind === 'anomaly' && verdict.key, 'bad')
  assert.deepEqual(verdict.kind === 'anomaly' && verdict.stuckAt, [bad[1]])
  assert.equal(checkLinearizable(good).kind, 'linearizable')
})

test('it knows what the register held before', () => {
  const history = [from(0, 1, read('before'))]
  assert.equal(checkLinearizable(history).kind, 'anomaly')
  assert.equal(checkLinearizable(history, { initial: 'before' }).kind, 'linearizable')
})

test('it says when its time was up instead of guessing', () => {
  // 40 writes side by side, and a read that none of their orders explains.
  const writes = Array.from({ length: 40 }, (_, at) => from(0, 100, write(`w${at}`)))
  const history = [...writes, from(1, 99, swap('ghost', 'x'))]
  assert.equal(checkLinearizable(history, { limitMs: 50 }).kind, 'undecided')
})

interface Generated {
  readonly history: readonly Operation[]
  readonly values: readonly Value[]
}

/** What a real register answers to clients whose calls overlap at random. */
function fromRealRegister(random: Random, count: number): Generated {
  const moments = shuffled(
    Array.from({ length: count }, (_, at) => at),
    random,
  ).toSorted((a, b) => a - b)
  const values: Value[] = [null]
  let held: Value = null
  const history = moments.map((moment): Operation => {
    const span = 1 + random.below(6)
    const calledAt = moment - random.below(100 * span) / 100
    const returnedAt = moment + random.below(100 * span) / 100
    const { action, after } = act(random, held, values)
    held = after
    const isUnknown = action.kind !== 'read' && random.below(12) === 0
    return from(calledAt, isUnknown ? never : returnedAt, isUnknown ? forget(action) : action)
  })
  return { history: shuffled(history, random), values }
}

const forget = (action: Action): Action =>
  action.kind === 'compare-and-set' ? { ...action, isTaken: null } : action

function act(random: Random, held: Value, values: Value[]): { action: Action; after: Value } {
  const fresh = `v${values.length}`
  switch (random.below(3)) {
    case 0:
      return { action: read(held), after: held }
    case 1:
      values.push(fresh)
      return { action: write(fresh), after: fresh }
    default: {
      values.push(fresh)
      const old = values[random.below(values.length - 1)] ?? null
      const expected = random.below(2) === 0 ? held : old
      const isTaken = expected === held
      return { action: swap(expected, fresh, isTaken), after: isTaken ? fresh : held }
    }
  }
}

test('every history of a real register is accepted, whatever overlaps and is unknown', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const { history } = fromRealRegister(random, 10 + random.below(150))
    assert.equal(checkLinearizable(history).kind, 'linearizable', `seed ${seed}`)
  }
})

/** One answer of the history becomes another one. */
function mutate({ history, values }: Generated, random: Random): Operation[] | null {
  const answered = history.filter(
    ({ action, returnedAt }) => action.kind !== 'write' && returnedAt !== never,
  )
  const victim = answered[random.below(answered.length)]
  if (victim === undefined) return null
  const { action } = victim
  const others = values.filter((value) => action.kind !== 'read' || value !== action.value)
  const changed: Action =
    action.kind === 'compare-and-set'
      ? { ...action, isTaken: action.isTaken !== true }
      : read(others[random.below(others.length)] ?? null)
  return history.map((each) => (each === victim ? { ...victim, action: changed } : each))
}

test('histories in which one answer was changed are mostly refused', () => {
  let refused = 0
  let tried = 0
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const mutated = mutate(fromRealRegister(random, 60), random)
    if (mutated === null) continue
    tried++
    if (checkLinearizable(mutated).kind === 'anomaly') refused++
  }
  assert.ok(tried >= 280, `${tried} tried`)
  assert.ok(refused >= 0.7 * tried, `${refused} of ${tried} refused`)
})

/** All orders, tried one by one: slow, and too simple to be wrong. */
function isLinearizableByForce(history: readonly Operation[], state: Value = null): boolean {
  const known = history.filter(({ returnedAt }) => returnedAt !== never)
  if (known.length === 0) return true
  const firstReturn = Math.min(...known.map(({ returnedAt }) => returnedAt))
  return history.some((next, at) => {
    if (next.calledAt > firstReturn) return false
    const rest = history.toSpliced(at, 1)
    const { action } = next
    if (action.kind === 'read') {
      return action.value === state && isLinearizableByForce(rest, state)
    }
    if (action.kind === 'write') return isLinearizableByForce(rest, action.value)
    const holds = action.expected === state
    const fits = action.isTaken === null || action.isTaken === holds
    return fits && isLinearizableByForce(rest, holds ? action.value : state)
  })
}

function anySmallHistory(random: Random): Operation[] {
  const value = (): Value => [null, 'a', 'b'][random.below(3)] ?? null
  return Array.from({ length: 1 + random.below(6) }, () => {
    const calledAt = random.below(12)
    const isUnknown = random.below(4) === 0
    const returnedAt = calledAt + 1 + random.below(8)
    const actions = [
      read(value()),
      write(value()),
      swap(value(), value(), isUnknown ? null : random.below(2) === 0),
    ]
    const action = actions[isUnknown ? 1 + random.below(2) : random.below(3)] as Action
    return from(calledAt, isUnknown ? never : returnedAt, action)
  })
}

test('on small histories of any kind it says what trying all orders says', () => {
  const said = { linearizable: 0, anomaly: 0, undecided: 0 }
  for (let seed = 1; seed <= 5000; seed++) {
    const history = anySmallHistory(new SeededRandom(seed))
    const { kind } = checkLinearizable(history)
    said[kind]++
    const expected = isLinearizableByForce(history) ? 'linearizable' : 'anomaly'
    assert.equal(kind, expected, `seed ${seed}: ${JSON.stringify(history)}`)
  }
  assert.ok(said.linearizable > 500 && said.anomaly > 500, JSON.stringify(said))
})

test('ten thousand operations of one busy key take less than seconds', () => {
  const { history } = fromRealRegister(new SeededRandom(7), 10_000)
  const startedMs = performance.now()
  assert.equal(checkLinearizable(history, { limitMs: 30_000 }).kind, 'linearizable')
  assert.ok(performance.now() - startedMs < 10_000)
})
