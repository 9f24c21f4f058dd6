import { Socket } from 'node:net'
import { assert } from '../../mesh/base/assert.ts'
import { Arena, slabBytes } from './arena.ts'
import { KernelError, nativeCalls, type Calls } from './calls.ts'
import { map, mapAnonymous, sharedPopulated } from './mapping.ts'

const setupNumber = 425
const enterNumber = 426
const registerNumber = 427
const submissions = 4096
const completions = 16_384
/** CQSIZE, SUBMIT_ALL, SINGLE_ISSUER, DEFER_TASKRUN; the last, NO_SQARRAY, is of 6.6. */
const setupFlags = (1 << 3) | (1 << 7) | (1 << 12) | (1 << 13)
const noSubmissionArray = 1 << 16
const invalid = 22
const registerEventFd = 4
const registerBuffers = 22
const submissionRingOffset = 0n
const entriesOffset = 0x1000_0000n
const getEvents = 1
const nonBlockingOnExec = 0x80800
const closeOnExec = 0x80000

const operation = { pollAdd: 6, accept: 13, send: 26, receive: 27 } as const
const selectBuffer = 1 << 13
/** In the word of the operation: try nothing before there is something. */
const pollFirst = 1 << 16
const repeatedAccept = 1 << 16
const writable = 4
/** MSG_DONTWAIT and MSG_NOSIGNAL. */
const sendFlags = 0x4040
/** Slabs that the kernel holds to receive into; few, so that they stay in the cache. */
const heldByKernel = 128

/** What the kernel says of one operation; `more` when it goes on, `slab` when it received into one. */
export type Completed = (tag: number, generation: number, result: Completion) => void

export interface Completion {
  /** A count of bytes or a descriptor; negative: an errno. */
  value: number
  hasMore: boolean
  /** -1: none. Whoever is told owns it. */
  slab: number
  /** More bytes wait already. */
  isNonEmpty: boolean
}

/** Why there is no ring here, in words for the log. */
export function ringRefusal(): string | null {
  if (process.platform !== 'linux') return 'io_uring is a thing of Linux'
  try {
    new Ring(heldByKernel * 2, () => {}).close()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * One io_uring. Operations are written into memory and handed over together by `enter`, which also
 * collects what is done. The thread never blocks in it: an eventfd wakes Node's own loop, so that
 * timers, messages and everything else of Node go on beside it.
 */
export class Ring {
  readonly arena: Arena
  readonly calls: Calls
  readonly #fd: number
  readonly #ring: Int32Array
  readonly #entries: Int32Array
  readonly #tailAt: number
  readonly #mask: number
  readonly #doneHeadAt: number
  readonly #doneTailAt: number
  readonly #doneMask: number
  readonly #doneAt: number
  readonly #offers: Int32Array
  readonly #offerWords: Uint16Array
  readonly #completion: Completion = { value: 0, hasMore: false, slab: -1, isNonEmpty: false }
  readonly #bell: Socket
  #offerTail = 0
  #offered = 0
  #tail = 0
  #queued = 0
  #isClosed = false

  constructor(slabs: number, onWake: () => void) {
    const calls = nativeCalls()
    if (calls === null) throw new Error('this Node has no node:ffi')
    this.calls = calls
    const { fd, params } = setUp(calls)
    this.#fd = fd
    const done = params.subarray(20)
    const own = params.subarray(10)
    const ringLength = at(done, 5) + at(params, 1) * 16
    const entryCount = at(params, 0)
    const shared = { flags: sharedPopulated, fd }
    const ring = map(calls, { ...shared, length: ringLength, offset: submissionRingOffset })
    this.#ring = new Int32Array(ring.buffer, 0, ringLength >> 2)
    const entries = map(calls, { ...shared, length: entryCount * 64, offset: entriesOffset })
    this.#entries = new Int32Array(entries.buffer)
    this.#tailAt = at(own, 1) >> 2
    this.#mask = entryCount - 1
    this.#doneHeadAt = at(done, 0) >> 2
    this.#doneTailAt = at(done, 1) >> 2
    this.#doneMask = at(params, 1) - 1
    this.#doneAt = at(done, 5) >> 2
    if ((at(params, 2) & noSubmissionArray) === 0) {
      const array = at(own, 6) >> 2
      for (let each = 0; each < entryCount; each++) this.#ring[array + each] = each
    }
    this.arena = new Arena(calls, slabs)
    const offers = mapAnonymous(calls, heldByKernel * 16)
    this.#offers = new Int32Array(offers.buffer)
    this.#offerWords = new Uint16Array(offers.buffer)
    const registration = mapAnonymous(calls, 4096)
    const words = new BigUint64Array(registration.buffer, 0, 5)
    words[0] = offers.address
    words[1] = BigInt(heldByKernel)
    this.#register(registerBuffers, registration.address)
    this.#bell = this.#hang(registration, onWake)
    this.offer()
  }

  accept(fd: number, tag: number, generation: number): void {
    const entry = this.#entry(operation.accept | repeatedAccept, fd)
    this.#entries[entry + 7] = nonBlockingOnExec
    this.#address(entry, tag, generation)
  }

  receive(of: { fd: number; tag: number; generation: number; waits: boolean }): void {
    const word = operation.receive | selectBuffer | (of.waits ? pollFirst : 0)
    this.#address(this.#entry(word, of.fd), of.tag, of.generation)
  }

  /** What the kernel takes at once; -EAGAIN when nothing. */
  send(
    of: { fd: number; tag: number; generation: number },
    slab: number,
    part: { readonly offset: number; readonly length: number },
  ): void {
    const address = this.arena.address(slab, part.offset, part.length)
    const entry = this.#entry(operation.send, of.fd)
    this.#entries[entry + 4] = address | 0
    this.#entries[entry + 5] = Math.floor(address / 2 ** 32) | 0
    this.#entries[entry + 6] = part.length
    this.#entries[entry + 7] = sendFlags
    this.#address(entry, of.tag, of.generation)
  }

  whenWritable(fd: number, tag: number, generation: number): void {
    const entry = this.#entry(operation.pollAdd, fd)
    this.#entries[entry + 7] = writable
    this.#address(entry, tag, generation)
  }

  /** Gives the kernel slabs to receive into, as far as there are any. */
  offer(): void {
    const offers = this.#offers
    while (this.#offered < heldByKernel) {
      const slab = this.arena.take()
      if (slab === null) break
      const address = this.arena.address(slab, 0, slabBytes)
      const at = (this.#offerTail & (heldByKernel - 1)) * 4
      offers[at] = address | 0
      offers[at + 1] = Math.floor(address / 2 ** 32) | 0
      offers[at + 2] = slabBytes
      this.#offerWords[at * 2 + 6] = slab
      this.#offerTail = (this.#offerTail + 1) & 0xffff
      this.#offered += 1
    }
    this.#offerWords[7] = this.#offerTail
  }

  /** Hands over what is queued, and hears what is done. How much that was. */
  turn(onCompleted: Completed): number {
    this.submit()
    return this.#reap(onCompleted)
  }

  submit(): void {
    if (this.#isClosed) return
    this.offer()
    Atomics.store(this.#ring, this.#tailAt, this.#tail)
    const count = this.#queued
    this.#queued = 0
    const result = this.calls.enter(enterNumber, this.#fd, count, 0, getEvents, 0n)
    assert(result === count || result < 0, 'the kernel takes every operation')
    if (result < 0 && count > 0) throw new KernelError('io_uring_enter', this.calls.errno())
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#bell.destroy()
    this.calls.close(this.#fd)
    this.arena.empty()
  }

  #reap(onCompleted: Completed): number {
    const ring = this.#ring
    const completion = this.#completion
    let head = ring[this.#doneHeadAt] ?? 0
    const tail = Atomics.load(ring, this.#doneTailAt)
    const count = (tail - head) | 0
    for (; head !== tail && !this.#isClosed; head = (head + 1) | 0) {
      const at = this.#doneAt + ((head & this.#doneMask) << 2)
      const flags = ring[at + 3] ?? 0
      completion.value = ring[at + 2] ?? 0
      completion.hasMore = (flags & 2) !== 0
      completion.isNonEmpty = (flags & 4) !== 0
      completion.slab = (flags & 1) === 0 ? -1 : flags >>> 16
      if (completion.slab >= 0) this.#offered -= 1
      const [tag, generation] = [ring[at] ?? 0, ring[at + 1] ?? 0]
      Atomics.store(ring, this.#doneHeadAt, (head + 1) | 0)
      onCompleted(tag, generation, completion)
    }
    return count
  }

  #entry(word: number, fd: number): number {
    if (this.#queued >= submissions - 8) this.submit()
    const at = (this.#tail & this.#mask) << 4
    this.#entries.fill(0, at, at + 16)
    this.#entries[at] = word
    this.#entries[at + 1] = fd
    this.#tail = (this.#tail + 1) | 0
    this.#queued += 1
    return at
  }

  #address(entry: number, tag: number, generation: number): void {
    this.#entries[entry + 8] = tag
    this.#entries[entry + 9] = generation
  }

  #register(what: number, address: bigint): void {
    const result = this.calls.register(registerNumber, this.#fd, what, address, 1)
    if (result >= 0) return
    const { errno, close } = this.calls
    const error = new KernelError('io_uring_register', errno())
    close(this.#fd)
    throw error
  }

  /**
   * Node watches pipes but no eventfd: so the eventfd takes the place of a pipe's descriptor
   * before Node looks at it for the first time.
   */
  #hang(room: { readonly address: bigint; readonly buffer: ArrayBuffer }, onWake: () => void) {
    const words = new Int32Array(room.buffer, 64, 2)
    const piped = this.calls.pipe2(room.address + 64n, nonBlockingOnExec)
    const [readable = -1, other = -1] = words
    const event = this.calls.eventfd(0, nonBlockingOnExec)
    if (piped < 0 || event < 0) throw new KernelError('eventfd', this.calls.errno())
    const bell = new Socket({ fd: readable, readable: true, writable: false })
    this.calls.dup3(event, readable, closeOnExec)
    words[0] = event
    this.#register(registerEventFd, room.address + 64n)
    this.calls.close(event)
    this.calls.close(other)
    bell.on('data', onWake)
    return bell
  }
}

/** The kernel before 6.6 does not know the newest flag; before 6.1, not the others. */
function setUp(calls: Calls): { readonly fd: number; readonly params: Int32Array } {
  const room = mapAnonymous(calls, 4096)
  const params = new Int32Array(room.buffer, 0, 30)
  for (const flags of [setupFlags | noSubmissionArray, setupFlags]) {
    params.fill(0)
    params[1] = completions
    params[2] = flags
    const fd = calls.setup(setupNumber, submissions, room.address)
    if (fd >= 0) return { fd, params }
    if (calls.errno() !== invalid) break
  }
  throw new KernelError('io_uring_setup', calls.errno())
}

function at(words: Int32Array, index: number): number {
  return words[index] ?? 0
}
