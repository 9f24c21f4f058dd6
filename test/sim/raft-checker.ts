import type { CatalogDelta, StoredObject } from '../../mesh/catalog/types.ts'
import type { Entry, LogStorage, Message, MessageKind } from '../../mesh/raft/types.ts'
import type { Persistable } from '../../mesh/storage/raft-storage.ts'
import { digestOf, digestOfText } from './digest.ts'
import type { Report } from './violation.ts'

/** What is watched of one node; `boot` parts start anew with each process. */
interface Witness {
  storage: LogStorage | null
  /** Durable whatever happens: the latest term, and the log as far as it was acknowledged. */
  promisedTerm: number
  promisedIndex: number
  /** The leader of this term counts on this node up to here. */
  acknowledged: { readonly term: number; readonly index: number }
  bootApplied: number
  bootCommit: number
}

/** An entry of which some node says that it is agreed. */
interface Agreed {
  readonly term: number
  /** No leader of a later term may miss it. */
  readonly agreedInTerm: number
  /** What it changed. */
  readonly delta: number
  /** All objects after it. */
  readonly state: number
}

/** What nobody but a leader says. */
const leaderKinds: ReadonlySet<MessageKind> = new Set([
  'append',
  'heartbeat',
  'snapshot',
  'timeout-now',
])

/** The rules of Raft's paper (§5.2–5.4), held against everything that nodes say, store and apply. */
export class RaftChecker {
  readonly #report: Report
  readonly #witnesses = new Map<string, Witness>()
  readonly #leaders = new Map<number, string>()
  readonly #votes = new Map<string, string>()
  /** By term and index: what the entry holds, and the term of the one before it. */
  readonly #entries = new Map<string, { readonly digest: number; previousTerm: number | null }>()
  /** By index; nothing is agreed at 0. */
  readonly #agreed: Agreed[] = [{ term: 0, agreedInTerm: 0, delta: 0, state: 0 }]
  /** The highest commit index of which anybody spoke. */
  #committed = 0
  readonly #objects = new Map<string, number>()

  constructor(report: Report) {
    this.#report = report
  }

  /** How many terms had a leader. */
  get elections(): number {
    return this.#leaders.size
  }

  get agreedIndex(): number {
    return this.#agreed.length - 1
  }

  /** A process begins with what is on its disk; it must be all that the one before it promised. */
  started(node: string, storage: LogStorage): void {
    const witness = this.#witness(node)
    const { term, commit } = storage.initialState().hardState
    const last = storage.lastIndex()
    if (term < witness.promisedTerm) {
      this.#report('durable term', `${node} is back at ${term}, promised ${witness.promisedTerm}`)
    }
    if (last < witness.promisedIndex) {
      this.#report('durable log', `${node} ends at ${last}, promised ${witness.promisedIndex}`)
    }
    witness.storage = storage
    witness.bootApplied = 0
    witness.bootCommit = commit
    this.#committed = Math.max(this.#committed, commit)
    this.#checkAgreed(node, storage)
    this.#checkLog(node, storage)
  }

  /** Before a save: what it replaces is promised no more, however much of it reaches the disk. */
  saves(node: string, { entries, snapshot, hardState }: Persistable): void {
    const witness = this.#witness(node)
    const term = hardState?.term ?? witness.storage?.initialState().hardState.term
    const last = entries.at(-1)?.index ?? Infinity
    const { acknowledged } = witness
    if (acknowledged.term === term && last < acknowledged.index) {
      const cut = `${acknowledged.index} to ${last} in the same term ${term}`
      this.#report('append only', `${node} cuts its log from ${cut}`)
    }
    const end = Math.min(snapshot?.meta.index ?? Infinity, (entries[0]?.index ?? Infinity) - 1)
    witness.promisedIndex = Math.min(witness.promisedIndex, end)
    const first = entries[0]?.index ?? Infinity
    if (first <= witness.bootApplied) {
      this.#report('state machine safety', `${node} replaces ${first}, which it applied`)
    }
  }

  /** After a save: entries, term and vote that are on the disk now. */
  saved(node: string, { hardState, entries, snapshot }: Persistable): void {
    const witness = this.#witness(node)
    if (snapshot !== null) witness.bootCommit = Math.max(witness.bootCommit, snapshot.meta.index)
    for (const [at, entry] of entries.entries()) {
      const before = entries[at - 1]?.term ?? witness.storage?.term(entry.index - 1)
      this.#match(node, entry, typeof before === 'number' ? before : null)
    }
    if (hardState === null) return
    if (hardState.commit < witness.bootCommit) {
      const went = `${witness.bootCommit} to ${hardState.commit}`
      this.#report('monotone commit', `${node} went from ${went}`)
    }
    witness.bootCommit = hardState.commit
    this.#committed = Math.max(this.#committed, hardState.commit)
  }

  sent(node: string, to: string, message: Message): void {
    const { kind, term, reject, index } = message
    if (leaderKinds.has(kind)) this.leads(node, term)
    if (kind === 'append') this.#claims(node, message)
    const isPromise = kind === 'append-response' || kind === 'vote-response'
    if (!isPromise || reject) return
    const witness = this.#witness(node)
    witness.promisedTerm = Math.max(witness.promisedTerm, term)
    if (kind === 'vote-response') this.#voted(node, term, to)
    else acknowledge(witness, term, index)
  }

  leads(node: string, term: number): void {
    const known = this.#leaders.get(term)
    if (known === node) return
    if (known !== undefined) {
      this.#report('election safety', `${known} and ${node} both lead in term ${term}`)
      return
    }
    this.#leaders.set(term, node)
    this.#checkComplete(node, term)
  }

  applied(node: string, delta: CatalogDelta): void {
    const witness = this.#witness(node)
    if (delta.index < witness.bootApplied) {
      const went = `${witness.bootApplied} to ${delta.index}`
      this.#report('monotone apply', `${node} went from ${went}`)
    }
    if (delta.reset) this.#checkState(node, delta)
    else this.#checkDelta(node, witness, delta)
    witness.bootApplied = delta.index
  }

  #witness(node: string): Witness {
    const known = this.#witnesses.get(node)
    if (known !== undefined) return known
    const witness = {
      storage: null,
      promisedTerm: 0,
      promisedIndex: 0,
      acknowledged: { term: 0, index: 0 },
      bootApplied: 0,
      bootCommit: 0,
    }
    this.#witnesses.set(node, witness)
    return witness
  }

  #voted(node: string, term: number, candidate: string): void {
    const key = `${node} ${term}`
    const known = this.#votes.get(key)
    if (known !== undefined && known !== candidate) {
      this.#report('one vote a term', `${node} for ${known} and ${candidate} in term ${term}`)
    }
    this.#votes.set(key, candidate)
  }

  /** Figure 8: what is committed newly was written by the leader itself, in its own term. */
  #claims(node: string, { commit, term }: Message): void {
    if (commit <= this.#committed) return
    this.#committed = commit
    const ours = this.#witness(node).storage?.term(commit)
    if (typeof ours === 'number' && ours !== term) {
      this.#report('commit in its own term', `${node} commits ${commit} of ${ours} in ${term}`)
    }
  }

  /** The log of a restarted node fits together as it did before. */
  #checkLog(node: string, storage: LogStorage): void {
    const first = storage.firstIndex()
    const entries = storage.entries(first, storage.lastIndex() + 1, Infinity)
    if (typeof entries === 'string') return
    for (const [at, entry] of entries.entries()) {
      const before = entries[at - 1]?.term ?? storage.term(first - 1)
      this.#match(node, entry, typeof before === 'number' ? before : null)
    }
  }

  /** Log Matching: equal index and term mean equal entries, and by induction all before them. */
  #match(node: string, entry: Entry, previousTerm: number | null): void {
    const key = `${entry.term} ${entry.index}`
    const digest = digestOf(entry.data, digestOfText(entry.kind))
    const known = this.#entries.get(key)
    if (known === undefined) {
      this.#entries.set(key, { digest, previousTerm })
      return
    }
    known.previousTerm ??= previousTerm
    const isSame = previousTerm === null || known.previousTerm === previousTerm
    if (known.digest !== digest || !isSame) {
      this.#report('log matching', `${node} holds another entry ${key}`)
    }
  }

  /** Leader Completeness: what was agreed in an earlier term is in its log. */
  #checkComplete(node: string, term: number): void {
    const { storage } = this.#witness(node)
    for (let index = this.agreedIndex; index > 0; index--) {
      const agreed = this.#agreed[index]
      if (agreed === undefined || agreed.agreedInTerm >= term) continue
      const ours = storage?.term(index)
      if (ours === agreed.term || ours === 'compacted') return
      const has = `at ${index} it has ${ours}, not ${agreed.term}`
      this.#report('leader completeness', `${node} leads in term ${term}, but ${has}`)
      return
    }
  }

  /** What a node holds below its own commit index is what everybody agreed on. */
  #checkAgreed(node: string, storage: LogStorage): void {
    const index = Math.min(storage.initialState().hardState.commit, this.agreedIndex)
    const ours = storage.term(index)
    const agreed = this.#agreed[index]?.term
    if (agreed === undefined || ours === 'compacted' || ours === agreed) return
    this.#report('state machine safety', `${node} restarts with ${index} of term ${ours}`)
  }

  #checkDelta(node: string, witness: Witness, delta: CatalogDelta): void {
    const { index } = delta
    if (index !== witness.bootApplied + 1) {
      this.#report('monotone apply', `${node} went from ${witness.bootApplied} to ${index}`)
      return
    }
    const term = witness.storage?.term(index)
    if (typeof term !== 'number') {
      this.#report('apply after fsync', `${node} applied ${index}, which is not on its disk`)
      return
    }
    const digest = digestOfText(JSON.stringify([delta.upserts, delta.removals]))
    const known = this.#agreed[index]
    if (known === undefined) this.#agree(witness, { delta, term, digest })
    else if (known.term !== term || known.delta !== digest) {
      this.#report('state machine safety', `${node} applied another entry ${index}`)
    }
  }

  #agree(
    { storage }: Witness,
    { delta, term, digest }: { delta: CatalogDelta; term: number; digest: number },
  ): void {
    for (const { kind, id } of delta.removals) this.#objects.delete(`${kind}/${id}`)
    for (const object of delta.upserts) this.#objects.set(nameOf(object), digestOfObject(object))
    this.#agreed[delta.index] = {
      term,
      agreedInTerm: Math.max(term, storage?.initialState().hardState.term ?? 0),
      delta: digest,
      state: sumOf(this.#objects.values()),
    }
  }

  #checkState(node: string, { index, upserts }: CatalogDelta): void {
    const known = this.#agreed[index]
    if (index === 0 || known === undefined) return
    if (known.state !== sumOf(upserts.map(digestOfObject))) {
      this.#report('state machine safety', `${node} has another state at ${index}`)
    }
  }
}

function acknowledge(witness: Witness, term: number, index: number): void {
  witness.promisedIndex = Math.max(witness.promisedIndex, index)
  const before = witness.acknowledged
  if (term < before.term) return
  witness.acknowledged = {
    term,
    index: term === before.term ? Math.max(index, before.index) : index,
  }
}

const nameOf = ({ kind, id }: StoredObject): string => `${kind}/${id}`

const digestOfObject = (object: StoredObject): number => digestOfText(JSON.stringify(object))

/** Does not depend on the order. */
function sumOf(digests: Iterable<number>): number {
  let sum = 0
  for (const digest of digests) sum = (sum + digest) % 2 ** 32
  return sum
}
