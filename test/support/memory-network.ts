import type { Datagrams } from '../../mesh/base/datagrams.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { Transport } from '../../mesh/transport/transport.ts'
import type { FakeClock } from './fake-clock.ts'
import { MemoryTransport } from './memory-transport.ts'

export interface MemoryNetworkOptions {
  readonly clock: FakeClock
  readonly random: Random
  /** Of datagrams and of broadcasts; streams lose nothing while they are open. */
  readonly lossPercent?: number
  readonly delayMs?: number
  /** Datagrams take up to this much longer, so they overtake one another. */
  readonly jitterMs?: number
  readonly redialMs?: number
  /** After how long a connection to a silent peer is given up. */
  readonly silentBreakMs?: number
  readonly faults?: NetworkFaults
}

/** What a simulation does to frames and to those who send them; without it streams are perfect. */
export interface NetworkFaults {
  /**
   * How long each copy of what a transport takes on is under way: none is a loss, two a duplicate.
   * Null for questions and answers, of which the rest does not tell either.
   */
  travel(from: NodeId, to: NodeId, sending: Sending | null): readonly number[]
  /** False while nothing gets through in this direction, though nobody is told. */
  passes(from: NodeId, to: NodeId): boolean
  /** Runs what a node receives: later while it is paused, and with an eye on what it throws. */
  deliver(to: NodeId, act: () => void): void
}

export interface Sending {
  readonly protocol: string
  readonly frame: Uint8Array
}

/** What one node has of the network: both interfaces, as a production node gets them. */
export interface MemoryHost {
  readonly node: NodeId
  readonly address: string
  readonly transport: Transport
  readonly datagrams: Datagrams
}

/** A connection between two transports; frames in flight are lost with it. */
export interface MemoryLink {
  isOpen: boolean
  readonly onBreak: Set<() => void>
}

/** What the transports ask of the network. */
export interface MemorySwitch {
  readonly clock: FakeClock
  readonly delayMs: number
  readonly redialMs: number
  readonly faults: NetworkFaults | null
  transport(node: NodeId): MemoryTransport | undefined
  transports(): readonly MemoryTransport[]
  dial(from: MemoryTransport, to: NodeId): 'connected' | 'refused' | 'silent'
  reaches(from: NodeId, to: NodeId): boolean
  loses(): boolean
}

/** The network of a simulated cluster: loss, delay, partitions and crashes on a fake clock. */
export class MemoryNetwork implements MemorySwitch {
  readonly clock: FakeClock
  readonly delayMs: number
  readonly redialMs: number
  readonly faults: NetworkFaults | null
  lossPercent: number
  readonly #jitterMs: number
  readonly #silentBreakMs: number
  readonly #random: Random
  readonly #transports = new Map<NodeId, MemoryTransport>()
  readonly #sockets = new Map<string, MemoryDatagrams>()
  /** Side of the partition that a node is on; nodes without an entry are on side 0. */
  readonly #sides = new Map<NodeId, number>()
  /** Whose packets a firewall drops, both ways; streams pass. */
  readonly #withoutDatagrams = new Set<NodeId>()

  constructor(options: MemoryNetworkOptions) {
    this.clock = options.clock
    this.#random = options.random
    this.lossPercent = options.lossPercent ?? 0
    this.delayMs = options.delayMs ?? 1
    this.#jitterMs = options.jitterMs ?? 0
    this.redialMs = options.redialMs ?? 100
    this.#silentBreakMs = options.silentBreakMs ?? 15_000
    this.faults = options.faults ?? null
  }

  /** A process comes up; whatever ran under this id before has crashed. */
  attach(node: NodeId, address: string): MemoryHost {
    this.crash(node, 'refused')
    const transport = new MemoryTransport(node, this)
    const datagrams = new MemoryDatagrams(node, address, (to, packet) =>
      this.#sendDatagram(datagrams, to, packet),
    )
    this.#transports.set(node, transport)
    this.#sockets.set(address, datagrams)
    return { node, address, transport, datagrams }
  }

  /** `refused`: the machine lives, so peers see resets. `silent`: it is gone, they see nothing. */
  crash(node: NodeId, how: 'refused' | 'silent'): void {
    for (const [address, socket] of this.#sockets) {
      if (socket.node === node) this.#sockets.delete(address)
    }
    const transport = this.#transports.get(node)
    if (transport === undefined || transport.isGone) return
    transport.crash(how)
    if (how === 'refused') transport.breakLinks()
    else this.clock.after(this.#silentBreakMs, () => transport.breakLinks())
  }

  /** Nodes of different groups stop hearing each other; connections between them break. */
  partition(...groups: readonly (readonly NodeId[])[]): void {
    this.#sides.clear()
    for (const [at, group] of groups.entries()) {
      for (const node of group) this.#sides.set(node, at + 1)
    }
    for (const transport of this.#transports.values()) {
      transport.breakLinks((peer) => !this.reaches(transport.node, peer))
    }
  }

  heal(): void {
    this.#sides.clear()
  }

  blockDatagrams(node: NodeId, isBlocked: boolean): void {
    if (isBlocked) this.#withoutDatagrams.add(node)
    else this.#withoutDatagrams.delete(node)
  }

  transport(node: NodeId): MemoryTransport | undefined {
    return this.#transports.get(node)
  }

  transports(): readonly MemoryTransport[] {
    return [...this.#transports.values()]
  }

  reaches(from: NodeId, to: NodeId): boolean {
    if (this.faults !== null && !this.faults.passes(from, to)) return false
    return (this.#sides.get(from) ?? 0) === (this.#sides.get(to) ?? 0)
  }

  loses(): boolean {
    return this.lossPercent > 0 && this.#random.below(10_000) < this.lossPercent * 100
  }

  dial(from: MemoryTransport, to: NodeId): 'connected' | 'refused' | 'silent' {
    const peer = this.#transports.get(to)
    const isThrough = this.reaches(from.node, to) && this.reaches(to, from.node)
    if (peer === undefined || !isThrough) return 'silent'
    if (peer.isGone) return peer.isSilent ? 'silent' : 'refused'
    const link: MemoryLink = { isOpen: true, onBreak: new Set() }
    from.linked(to, link)
    peer.linked(from.node, link)
    return 'connected'
  }

  #sendDatagram(from: MemoryDatagrams, to: string, packet: Uint8Array): void {
    // A socket that was replaced belongs to a process that is no more.
    if (this.#sockets.get(from.address) !== from || this.loses()) return
    const copy = packet.slice()
    const delayMs = this.delayMs + (this.#jitterMs > 0 ? this.#random.below(this.#jitterMs + 1) : 0)
    this.clock.after(delayMs, () => {
      const target = this.#sockets.get(to)
      if (target === undefined || !this.reaches(from.node, target.node)) return
      const isDropped = [from.node, target.node].some((node) => this.#withoutDatagrams.has(node))
      if (!isDropped) target.receive(from.address, copy)
    })
  }
}

class MemoryDatagrams implements Datagrams {
  readonly node: NodeId
  readonly address: string
  readonly #deliver: (to: string, packet: Uint8Array) => void
  #listener: (from: string, packet: Uint8Array) => void = () => {}

  constructor(node: NodeId, address: string, deliver: (to: string, packet: Uint8Array) => void) {
    this.node = node
    this.address = address
    this.#deliver = deliver
  }

  send(to: string, packet: Uint8Array): void {
    this.#deliver(to, packet)
  }

  onPacket(listener: (from: string, packet: Uint8Array) => void): void {
    this.#listener = listener
  }

  receive(from: string, packet: Uint8Array): void {
    this.#listener(from, packet)
  }
}
