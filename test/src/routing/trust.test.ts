import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import type { Member, MemberState } from '../../../mesh/membership/types.ts'
import { SteadyTrust, type Trust } from '../../../src/routing/trust.ts'

const id = nodeId('n'.repeat(25))

/** One node as it is seen from another, over time. */
class Watched {
  readonly #trust = new SteadyTrust()
  readonly #dataPath = new Map([[id, false]])
  /** What was believed, each change of it once. */
  readonly changes: Trust[] = []
  state: MemberState = 'alive'
  nowMs = 0

  set answers(isAnswering: boolean) {
    this.#dataPath.set(id, isAnswering)
  }

  get trust(): Trust {
    return this.#trust.of(id)
  }

  /** Looks when it is told that something changed, and when it asked to. */
  pass(ms: number, state: MemberState = this.state): this {
    this.state = state
    const untilMs = this.nowMs + ms
    for (;;) {
      const waitMs = this.#look()
      if (waitMs === null || this.nowMs + waitMs > untilMs) break
      this.nowMs += waitMs
    }
    this.nowMs = untilMs
    return this
  }

  #look(): number | null {
    const meta = { name: 'n', gossipAddress: '', controlAddress: '', dataPathAddress: '' }
    const member: Member = { id, state: this.state, incarnation: 1, meta, sinceMs: 0 }
    const nothing = new Map<never, never>()
    const observed = { members: new Map([[id, member]]), tasks: nothing, nodes: nothing }
    const waitMs = this.#trust.look({ ...observed, dataPath: this.#dataPath }, this.nowMs)
    if (this.changes.at(-1) !== this.trust) this.changes.push(this.trust)
    return waitMs
  }
}

test('a suspicion that is refuted at once moves no route, one that stays does', () => {
  const node = new Watched()
  for (let time = 0; time < 50; time++) node.pass(900, 'alive').pass(200, 'suspect')
  assert.deepEqual(node.changes, ['good'])
  node.pass(400, 'suspect')
  assert.equal(node.trust, 'doubtful')
})

test('a death counts at once, unless the data path answers', () => {
  const node = new Watched()
  node.pass(1000).pass(0, 'suspect').pass(0, 'dead')
  assert.equal(node.trust, 'gone')
  node.answers = true
  node.pass(0)
  assert.equal(node.trust, 'doubtful')
})

test('who comes back from the dead is a last resort first, and as good as others after a while', () => {
  const node = new Watched()
  node.pass(1000).pass(5000, 'dead').pass(100, 'alive')
  assert.equal(node.trust, 'doubtful')
  node.pass(3000)
  assert.equal(node.trust, 'good')
})

test('the more a node flaps, the longer it must be well, and a long peace is the end of it', () => {
  const node = new Watched()
  node.pass(1000)
  for (let time = 0; time < 100; time++) node.pass(3000, 'dead').pass(3000, 'alive')
  const swings = node.changes.filter((trust) => trust === 'good').length
  assert.ok(swings <= 3, `${swings} times as good as others in ten minutes`)
  node.pass(40_000)
  assert.equal(node.trust, 'good')
  node.pass(70_000).pass(0).pass(1000, 'dead').pass(3000, 'alive')
  assert.equal(node.trust, 'good', 'its past is forgiven')
})
