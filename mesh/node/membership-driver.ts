import type { Clock } from '../base/clock.ts'
import type { Datagrams } from '../base/datagrams.ts'
import { unreachable } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import { Membership } from '../membership/membership.ts'
import type { Effect, Input, Seed } from '../membership/message.ts'
import { lanDefaults, type MembershipOptions } from '../membership/options.ts'
import type { Member, MemberMeta } from '../membership/types.ts'
import type { Transport } from '../transport/transport.ts'
import { isRefused } from '../wire/frames.ts'
import { swimProtocol } from '../wire/member-sync-message.ts'
import { decodeSwimMessage, encodeSwimMessage, swimSizes } from '../wire/swim-message.ts'
import { MemberExchange } from './member-exchange.ts'
import { Watchers } from './watchers.ts'

export interface MembershipDriverDeps {
  readonly datagrams: Datagrams
  /** For what packets cannot do: comparing tables, and probes where packets are blocked. */
  readonly transport: Pick<Transport, 'send' | 'onFrame' | 'request' | 'onRequest' | 'connected'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** How late the event loop was at its worst since the last call, in milliseconds. */
  readonly eventLoopDelayMs?: () => number
}

export interface MembershipDriverOptions {
  readonly self: NodeId
  /** Refused with `membership/meta-too-long` when packets would have no room for anything else. */
  readonly meta: MemberMeta
  /** Differences to `lanDefaults`. */
  readonly membership?: Partial<MembershipOptions>
}

const tickMs = 25
const samplePeriodMs = 1000
/** Three rounds of gossip: the goodbye has gone to three peers, three times. */
const goodbyeMs = 300
/** What every message says of its sender must leave room in a packet for the message itself. */
const maxSenderBytes = 700

/** Runs the membership rules on a socket and a clock. */
export class MembershipDriver {
  readonly #self: NodeId
  readonly #membership: Membership
  readonly #datagrams: Datagrams
  readonly #transport: MembershipDriverDeps['transport']
  readonly #exchange: MemberExchange
  #twinListener: (address: string) => void = () => {}
  /** Whom only the stream reaches, as the log has it. */
  readonly #blocked = new Set<NodeId>()
  readonly #clock: Clock
  readonly #log: Log
  readonly #watchers = new Watchers<Member>()
  readonly #ends: (() => void)[]
  #isStopped = false

  constructor(deps: MembershipDriverDeps, { self, meta, membership }: MembershipDriverOptions) {
    const { datagrams, transport, clock, random, log, eventLoopDelayMs } = deps
    checkFits(self, meta)
    this.#self = self
    this.#datagrams = datagrams
    this.#transport = transport
    this.#clock = clock
    this.#log = log.child('membership')
    this.#membership = new Membership({
      self,
      meta,
      incarnation: Math.floor(clock.nowMs()),
      random,
      sizes: swimSizes,
      options: { ...lanDefaults, ...membership },
    })
    this.#exchange = new MemberExchange({
      transport,
      clock,
      random,
      log: this.#log,
      membership: this.#membership,
      hear: (rumours) => this.#step({ kind: 'news', rumours }),
    })
    datagrams.onPacket((from, packet) => this.#receive(from, packet))
    transport.onFrame(swimProtocol, (from, frame) => this.#receiveFrame(from, frame))
    this.#ends = [clock.every(tickMs, () => this.#step({ kind: 'tick' }))]
    if (eventLoopDelayMs === undefined) return
    const sample = (): void => this.#step({ kind: 'event-loop-delay', delayMs: eventLoopDelayMs() })
    this.#ends.push(clock.every(samplePeriodMs, sample))
  }

  /** Everybody known, this node included. */
  members(): readonly Member[] {
    return this.#membership.members()
  }

  /** Lifeguard's score of this node; 0 is well. */
  get health(): number {
    return this.#membership.health
  }

  /** First all members, then the changed ones in batches; returns the function that ends it. */
  watch(listener: (members: readonly Member[]) => void): () => void {
    return this.#watchers.add(listener, () => this.members())
  }

  /** What the transport saw of a connection to that node; see `Transport.onConnection`. */
  connectionEvent(node: NodeId, event: 'up' | 'down' | 'refused'): void {
    this.#step({ kind: 'connection', node, event })
    if (event === 'up') this.#exchange.welcome(node)
  }

  /** Tells of members that exist; those already known are left as they are. */
  join(seeds: readonly Seed[]): void {
    this.#step({ kind: 'join', seeds })
  }

  /** New facts about this node, told to everybody. */
  updateMeta(meta: MemberMeta): void {
    checkFits(this.#self, meta)
    this.#step({ kind: 'update-meta', meta })
  }

  /** A node that was removed from the cluster: it is told of as `left` once, then no more. */
  forget(node: NodeId): void {
    this.#step({ kind: 'forget', node })
  }

  /** Asks whoever has that address whether it lives under this node's id. */
  challenge(address: string): void {
    this.#step({ kind: 'challenge', address })
  }

  /** Another process lives under this node's id, at that address. One listener, the last. */
  onTwin(listener: (address: string) => void): void {
    this.#twinListener = listener
  }

  /** Says goodbye; resolves when peers have been told. The caller stops the driver afterwards. */
  leave(): Promise<void> {
    this.#step({ kind: 'leave' })
    return new Promise((resolve) => {
      this.#clock.after(goodbyeMs, resolve)
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#exchange.stop()
    for (const end of this.#ends) end()
  }

  #receive(from: string, packet: Uint8Array): void {
    const message = decodeSwimMessage(packet)
    if (isRefused(message)) this.#log.debug({ from, ...message }, 'a packet was refused')
    else this.#step({ kind: 'packet', from, message })
  }

  /** Who speaks over a stream is proved; it speaks for nobody else. */
  #receiveFrame(from: NodeId, frame: Uint8Array): void {
    const message = decodeSwimMessage(frame)
    if (isRefused(message)) this.#log.debug({ node: from, ...message }, 'a frame was refused')
    else if (message.sender.id === from) this.#step({ kind: 'frame', message })
  }

  #step(input: Input): void {
    if (this.#isStopped) return
    const changed: Member[] = []
    for (const effect of this.#membership.step(input, this.#clock.monotonicMs())) {
      this.#perform(effect, changed)
    }
    this.#watchers.tell(changed)
  }

  #perform(effect: Effect, changed: Member[]): void {
    switch (effect.kind) {
      case 'send':
        return this.#datagrams.send(effect.to, encodeSwimMessage(effect.message))
      case 'send-by-stream':
        // Not connected, or too much waits there: as good as lost.
        this.#transport.send(effect.to, swimProtocol, encodeSwimMessage(effect.message))
        return
      case 'member-changed':
        this.#note(effect.member)
        changed.push(effect.member)
        return
      case 'twin':
        return this.#twinListener(effect.address)
      default:
        return unreachable(effect)
    }
  }

  #note({ id: node, state, meta, isUdpBlocked }: Member): void {
    this.#log.debug({ node, name: meta.name, state }, 'a member changed')
    const wasBlocked = this.#blocked.has(node)
    if (isUdpBlocked === true && !wasBlocked) {
      this.#blocked.add(node)
      const facts = { node, name: meta.name, address: meta.gossipAddress }
      this.#log.warn(facts, 'UDP is blocked on the way to a member or back: it is probed over TCP')
    } else if (isUdpBlocked !== true && this.#blocked.delete(node)) {
      this.#log.info({ node, name: meta.name }, 'UDP gets through to a member again')
    }
  }
}

function checkFits(self: NodeId, meta: MemberMeta): void {
  const sender = { id: self, incarnation: Number.MAX_SAFE_INTEGER, meta, health: 0 }
  const bytes = swimSizes.messageBytes({ kind: 'gossip', sender, rumours: [] })
  if (bytes <= maxSenderBytes) return
  throw new MeshError({
    code: 'membership/meta-too-long',
    ...meta,
    bytes,
    maxBytes: maxSenderBytes,
  })
}
