import { InvariantError } from '../../mesh/base/assert.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import { silentLog } from '../../mesh/base/log.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { Random } from '../../mesh/base/random.ts'
import { Consensus } from '../../mesh/node/consensus.ts'
import { RaftStorage } from '../../mesh/storage/raft-storage.ts'
import { idOf, testPolicy } from '../mesh/node/consensus-cluster.ts'
import type { FakeClock } from '../support/fake-clock.ts'
import { MemoryDisk, type TornTail } from '../support/memory-disk.ts'
import type { MemoryNetwork } from '../support/memory-network.ts'
import { MachineClock } from './machine-clock.ts'
import type { RaftChecker } from './raft-checker.ts'
import type { Report } from './violation.ts'

export interface MachineDeps {
  readonly clock: FakeClock
  readonly network: MemoryNetwork
  readonly random: Random
  readonly checker: RaftChecker
  readonly report: Report
  readonly snapshotEveryEntries: number
  readonly segmentBytes: number
  /** Where the others are. */
  readonly peers: () => readonly NodeId[]
  /** A part of its log is void now, and what voids it is on its disk. */
  readonly onCut: (machine: RaftMachine) => void
  /** The process ended by itself. */
  readonly onEnded: (machine: RaftMachine) => void
}

/** One machine: a disk that stays, and a process of the product that comes and goes. */
export class RaftMachine {
  readonly letter: string
  readonly #deps: MachineDeps
  #incarnation = 1
  #id: NodeId
  #boot = 0
  #process: { readonly clock: MachineClock; readonly consensus: Consensus | null } | null = null
  disk = new MemoryDisk()
  /** How long a sync takes now. */
  syncMs = { least: 1, spread: 3 }
  clockRate = 1
  /** Its disk has been hurt in a way that may end the process. */
  isDiskHurt = false
  /** What it kept was damaged beyond repair: it must come back as another node. */
  isLost = false

  constructor(letter: string, deps: MachineDeps) {
    this.letter = letter
    this.#deps = deps
    this.#id = idOf(this.name)
  }

  get name(): string {
    return `${this.letter}${this.#incarnation}`
  }

  get id(): NodeId {
    return this.#id
  }

  get isUp(): boolean {
    return this.#process !== null
  }

  get isPaused(): boolean {
    return this.#process?.clock.isPaused === true
  }

  /** Null while it is down or still opening its disk. */
  get consensus(): Consensus | null {
    return this.#process?.consensus ?? null
  }

  /** Runs what is done to the process from outside; never when it has ended. */
  whenRunning(act: () => void): void {
    this.#process?.clock.whenRunning(act)
  }

  start(found?: (storage: RaftStorage, self: NodeId) => Promise<void>): void {
    if (this.#process !== null) return
    const boot = ++this.#boot
    const clock = new MachineClock(this.#deps.clock, (act) => this.#guard(boot, act))
    clock.setRate(this.clockRate)
    this.#process = { clock, consensus: null }
    this.disk.pace = (operation) => this.#pace(clock, operation === 'sync' ? 1 : 4)
    this.#run(boot, clock, found).catch((error: unknown) => this.#ended(boot, error))
  }

  async #run(
    boot: number,
    clock: MachineClock,
    found?: (storage: RaftStorage, self: NodeId) => Promise<void>,
  ): Promise<void> {
    const { segmentBytes, network, random, checker, snapshotEveryEntries } = this.#deps
    const { disk, id, name } = this
    const storage = await RaftStorage.open({ disk, log: silentLog, segmentBytes })
    if (found !== undefined) await found(storage, id)
    if (boot !== this.#boot) return
    checker.started(name, storage)
    watchSaves(storage, { name, checker, onCut: () => this.#deps.onCut(this) })
    // Whoever still held a connection to the process before this one learns that it is gone.
    network.transport(id)?.breakLinks()
    const { transport } = network.attach(id, name)
    transport.setTargets(this.#deps.peers().map(targetOf))
    const consensus = new Consensus({
      self: id,
      policy: testPolicy,
      storage,
      transport,
      clock,
      random,
      log: silentLog,
      fatal: (error) => this.#ended(boot, error),
      snapshotEveryEntries,
    })
    this.#process = { clock, consensus }
    consensus.watchCatalog((delta) => checker.applied(name, delta))
    consensus.watchLeader(({ isSelf, term }) => {
      if (isSelf) checker.leads(name, term)
    })
  }

  crash(how: 'refused' | 'silent', torn: TornTail): void {
    this.#end(how)
    this.disk.crash(torn)
  }

  async stopGracefully(): Promise<void> {
    const boot = this.#boot
    const { consensus } = this
    try {
      await consensus?.handOver()
      if (boot !== this.#boot) return
      await consensus?.stop()
    } catch (error) {
      return this.#ended(boot, error)
    }
    if (boot === this.#boot) this.#end('refused')
  }

  pause(): void {
    this.#process?.clock.pause()
  }

  resume(): void {
    this.#process?.clock.resume()
  }

  setClockRate(rate: number): void {
    this.clockRate = rate
    this.#process?.clock.setRate(rate)
  }

  /** An empty disk, and with it another node. */
  renew(): void {
    this.crash('refused', { bytes: 0 })
    this.disk = new MemoryDisk()
    this.#incarnation++
    this.#id = idOf(this.name)
    this.isLost = false
    this.isDiskHurt = false
  }

  #end(how: 'refused' | 'silent'): void {
    this.#boot++
    this.#process?.clock.end()
    this.#process = null
    this.#deps.network.crash(this.id, how)
  }

  #guard(boot: number, act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#ended(boot, error)
    }
  }

  /** A process may end by what its disk did to it, and by nothing else. */
  #ended(boot: number, error: unknown): void {
    if (boot !== this.#boot) return
    const code = error instanceof MeshError ? error.fault.code : ''
    const isDamage = code === 'storage/corrupt'
    if (!this.isDiskHurt || !code.startsWith('storage/')) {
      const rule = error instanceof InvariantError ? 'no broken invariant' : 'no failure of its own'
      this.#deps.report(rule, `${this.name}: ${String(error)}`)
    }
    this.isLost ||= isDamage
    this.crash('refused', { bytes: 0 })
    this.#deps.onEnded(this)
  }

  #pace(clock: MachineClock, factor: number): Promise<void> {
    const { least, spread } = this.syncMs
    const { random } = this.#deps
    // Now and then a disk is busy with something else.
    const hiccupMs = random.below(25) === 0 ? random.below(80) : 0
    const delayMs = (least + random.below(spread)) * factor + hiccupMs
    return new Promise((resolve) => {
      clock.after(delayMs, resolve)
    })
  }
}

export const targetOf = (
  node: NodeId,
): { readonly node: NodeId; readonly peerId: string; readonly address: string } => ({
  node,
  peerId: node,
  address: node,
})

interface SaveWatch {
  readonly name: string
  readonly checker: RaftChecker
  readonly onCut: () => void
}

/** Lets the checker see every save; the storage itself knows nothing of it. */
function watchSaves(storage: RaftStorage, { name, checker, onCut }: SaveWatch): void {
  const save = storage.save.bind(storage)
  storage.save = async (turn) => {
    const isCut = (turn.entries[0]?.index ?? Infinity) <= storage.lastIndex()
    checker.saves(name, turn)
    await save(turn)
    checker.saved(name, turn)
    if (isCut) onCut()
  }
}
