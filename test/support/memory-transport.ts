import type { NodeId } from '../../mesh/base/ids.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { DialTarget, FrameStream, Transport } from '../../mesh/transport/transport.ts'
import type { MemoryLink, MemorySwitch } from './memory-network.ts'

type ConnectionEvent = 'up' | 'down' | 'refused'
type Answer = (from: NodeId, frame: Uint8Array) => Promise<Uint8Array>

/** The twin of the libp2p transport; `MemoryNetwork` makes them. */
export class MemoryTransport implements Transport {
  readonly node: NodeId
  readonly #switch: MemorySwitch
  readonly #links = new Map<NodeId, MemoryLink>()
  readonly #frameListeners = new Map<string, (from: NodeId, frame: Uint8Array) => void>()
  readonly #answers = new Map<string, Answer>()
  readonly #streamListeners = new Map<string, (stream: FrameStream) => void>()
  readonly #topicListeners = new Map<string, (data: Uint8Array) => void>()
  readonly #connectionListeners: ((node: NodeId, event: ConnectionEvent) => void)[] = []
  readonly #endRedials: () => void
  #targets: readonly DialTarget[] = []
  #state: 'running' | 'refusing' | 'silent' = 'running'

  constructor(node: NodeId, network: MemorySwitch) {
    this.node = node
    this.#switch = network
    this.#endRedials = network.clock.every(network.redialMs, () => this.#dialAll())
  }

  get isGone(): boolean {
    return this.#state !== 'running'
  }

  get isSilent(): boolean {
    return this.#state === 'silent'
  }

  send(to: NodeId, protocol: string, frame: Uint8Array): boolean {
    const { faults } = this.#switch
    const link = this.#links.get(to)
    if (link === undefined || this.isGone) return false
    const copy = frame.slice()
    const arrive = (peer: MemoryTransport): void =>
      peer.#frameListeners.get(protocol)?.(this.node, copy)
    if (faults === null) {
      this.#later(to, link, arrive)
      return true
    }
    const delaysMs = faults.travel(this.node, to, { protocol, frame })
    for (const delayMs of delaysMs) this.#later(to, link, arrive, delayMs)
    return true
  }

  onFrame(protocol: string, listener: (from: NodeId, frame: Uint8Array) => void): void {
    this.#frameListeners.set(protocol, listener)
  }

  request(to: NodeId, protocol: string, frame: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const fail = (code: string): void => reject(new MeshError({ code, node: to, protocol }))
    const isSent = this.#transfer(to, frame, (peer, copy) => {
      const answer = peer.#answers.get(protocol)
      if (answer === undefined) return fail('transport/unreachable')
      answer(this.node, copy).then(
        (reply) => void peer.#transfer(this.node, reply, (_, replyCopy) => resolve(replyCopy)),
        () => fail('transport/failed'),
      )
    })
    if (!isSent) fail('transport/unreachable')
    const cancel = this.#switch.clock.after(timeoutMs, () => fail('transport/timeout'))
    return promise.finally(cancel)
  }

  onRequest(protocol: string, answer: Answer): void {
    this.#answers.set(protocol, answer)
  }

  openStream(to: NodeId, protocol: string): Promise<FrameStream> {
    const link = this.#links.get(to)
    const peer = this.#switch.transport(to)
    if (link === undefined || peer === undefined || this.isGone) {
      return Promise.reject(new MeshError({ code: 'transport/unreachable', node: to, protocol }))
    }
    const near = new MemoryStream(to, link, (act) => this.#later(to, link, act))
    const far = new MemoryStream(this.node, link, (act) => peer.#later(this.node, link, act))
    near.pair(far)
    far.pair(near)
    this.#later(to, link, () => {
      const listener = peer.#streamListeners.get(protocol)
      if (listener === undefined) far.close()
      else listener(far)
    })
    return Promise.resolve(near)
  }

  onStream(protocol: string, listener: (stream: FrameStream) => void): void {
    this.#streamListeners.set(protocol, listener)
  }

  publish(topic: string, data: Uint8Array): void {
    if (this.isGone) return
    for (const peer of this.#switch.transports()) {
      if (peer === this || this.#switch.loses()) continue
      const copy = data.slice()
      this.#switch.clock.after(this.#switch.delayMs, () => {
        if (peer.isGone || !this.#switch.reaches(this.node, peer.node)) return
        peer.#topicListeners.get(topic)?.(copy)
      })
    }
  }

  onPublished(topic: string, listener: (data: Uint8Array) => void): void {
    this.#topicListeners.set(topic, listener)
  }

  setTargets(targets: readonly DialTarget[]): void {
    this.#targets = targets.filter((target) => target.node !== this.node)
    this.#switch.clock.after(0, () => this.#dialAll())
  }

  connected(): readonly NodeId[] {
    return [...this.#links.keys()]
  }

  onConnection(listener: (node: NodeId, event: ConnectionEvent) => void): void {
    this.#connectionListeners.push(listener)
  }

  /** The twin admits everybody who is attached. */
  recheckPeers(): void {}

  stop(): Promise<void> {
    this.crash('refused')
    this.breakLinks()
    return Promise.resolve()
  }

  /** Not part of the interface: the process behind it ends. */
  crash(how: 'refused' | 'silent'): void {
    this.#state = how === 'silent' ? 'silent' : 'refusing'
    this.#endRedials()
  }

  linked(peer: NodeId, link: MemoryLink): void {
    this.#links.set(peer, link)
    this.#switch.clock.after(this.#switch.delayMs, () => {
      if (link.isOpen) this.#tell(peer, 'up')
    })
  }

  breakLinks(isBroken: (peer: NodeId) => boolean = () => true): void {
    for (const [node, link] of this.#links) {
      if (!isBroken(node)) continue
      link.isOpen = false
      this.unlink(node, link)
      this.#switch.transport(node)?.unlink(this.node, link)
      for (const act of link.onBreak) act()
      link.onBreak.clear()
    }
  }

  unlink(peer: NodeId, link: MemoryLink): void {
    if (this.#links.get(peer) !== link) return
    this.#links.delete(peer)
    this.#switch.clock.after(this.#switch.delayMs, () => this.#tell(peer, 'down'))
  }

  #dialAll(): void {
    if (this.isGone) return
    for (const { node } of this.#targets) {
      if (this.#links.has(node)) continue
      if (this.#switch.dial(this, node) === 'refused') this.#tell(node, 'refused')
    }
  }

  #tell(peer: NodeId, event: ConnectionEvent): void {
    if (this.isGone) return
    this.#deliver(this, () => {
      for (const listener of this.#connectionListeners) listener(peer, event)
    })
  }

  #deliver(receiver: MemoryTransport, act: () => void): void {
    const { faults } = this.#switch
    if (faults === null) return act()
    faults.deliver(receiver.node, () => {
      // It may have waited for a process that ended in the meantime.
      if (!receiver.isGone) act()
    })
  }

  #transfer(
    to: NodeId,
    frame: Uint8Array,
    arrive: (peer: MemoryTransport, copy: Uint8Array) => void,
  ): boolean {
    const link = this.#links.get(to)
    if (link === undefined || this.isGone) return false
    const copy = frame.slice()
    // A question is asked once: whether its first copy arrives is all that counts.
    const delayMs = this.#switch.faults?.travel(this.node, to, null)[0]
    const isLost = this.#switch.faults !== null && delayMs === undefined
    if (!isLost) this.#later(to, link, (peer) => arrive(peer, copy), delayMs)
    return true
  }

  /** One network delay later, unless the connection or the receiver is gone by then. */
  #later(
    to: NodeId,
    link: MemoryLink,
    act: (peer: MemoryTransport) => void,
    delayMs = this.#switch.delayMs,
  ): void {
    if (this.isGone) return
    this.#switch.clock.after(delayMs, () => {
      const peer = this.#switch.transport(to)
      if (peer === undefined || peer.isGone || !link.isOpen) return
      if (this.#switch.reaches(this.node, to)) this.#deliver(peer, () => act(peer))
    })
  }
}

class MemoryStream implements FrameStream {
  readonly peer: NodeId
  readonly #later: (act: () => void) => void
  readonly #unread: Uint8Array[] = []
  #far: MemoryStream | null = null
  #isClosed = false
  #frameListener: ((frame: Uint8Array) => void) | null = null
  #closeListener: () => void = () => {}

  constructor(peer: NodeId, link: MemoryLink, later: (act: () => void) => void) {
    this.peer = peer
    this.#later = later
    link.onBreak.add(() => this.end())
  }

  pair(far: MemoryStream): void {
    this.#far = far
  }

  send(frame: Uint8Array): boolean {
    if (this.#isClosed) return false
    const copy = frame.slice()
    this.#later(() => this.#far?.receive(copy))
    return true
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    this.#frameListener = listener
    for (const frame of this.#unread.splice(0)) listener(frame)
  }

  onClose(listener: () => void): void {
    this.#closeListener = listener
    if (this.#isClosed) listener()
  }

  close(): void {
    if (this.#isClosed) return
    this.#later(() => this.#far?.end())
    this.end()
  }

  receive(frame: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#frameListener === null) this.#unread.push(frame)
    else this.#frameListener(frame)
  }

  end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closeListener()
  }
}
