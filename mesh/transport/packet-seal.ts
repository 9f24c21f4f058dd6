import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { ReplayWindows } from './replay-window.ts'

const version = 1
const keyIdBytes = 4
const saltBytes = 16
const counterBytes = 8
const tagBytes = 16
const saltAt = 1 + keyIdBytes
const counterAt = saltAt + saltBytes
const headerBytes = counterAt + counterBytes
const maxSenders = 4096

/** A whole packet, header and tag included: passes every link unfragmented. */
export const maxPacketBytes = 1200
export const maxPayloadBytes = maxPacketBytes - headerBytes - tagBytes

interface RingKey {
  readonly id: Uint8Array
  readonly key: Uint8Array
}

/**
 * Seals and opens packets with AES-256-GCM. On the wire: version, key id, salt, counter (these four
 * are authenticated), ciphertext, tag.
 * All members share a key, and GCM is lost when two of them use one nonce. So nobody seals with the
 * shared key itself: each process draws a salt, and its own key follows from both (HKDF). Its
 * counter is then nonce enough.
 */
export class PacketSealer {
  readonly #salt = Uint8Array.from(randomBytes(saltBytes))
  readonly #windows = new ReplayWindows(maxSenders)
  /** Keys of senders whose packets opened before; bounded, oldest use first out. */
  readonly #senderKeys = new Map<string, Uint8Array>()
  #ring: readonly RingKey[] = []
  #sealing: { id: Uint8Array; key: Uint8Array } | null = null
  #counter = 0n

  constructor(keys: readonly Uint8Array[]) {
    this.useKeys(keys)
  }

  /** The first key seals, any opens. Counting goes on, so no nonce of a kept key comes back. */
  useKeys(keys: readonly Uint8Array[]): void {
    assert(keys.length > 0, 'a key ring has at least one key')
    assert(
      keys.every((key) => key.length === 32),
      'gossip keys have 256 bits',
    )
    this.#ring = keys.map((key) => ({ id: keyIdOf(key), key: Uint8Array.from(key) }))
    const [first] = this.#ring
    assert(first !== undefined, 'checked above')
    this.#sealing = { id: first.id, key: senderKey(first.key, this.#salt) }
    this.#senderKeys.clear()
  }

  seal(payload: Uint8Array): Uint8Array {
    assert(payload.length <= maxPayloadBytes, `a packet carries at most ${maxPayloadBytes} bytes`)
    assert(this.#sealing !== null, 'set by the constructor')
    this.#counter++
    const packet = new Uint8Array(headerBytes + payload.length + tagBytes)
    packet[0] = version
    packet.set(this.#sealing.id, 1)
    packet.set(this.#salt, saltAt)
    new DataView(packet.buffer).setBigUint64(counterAt, this.#counter)
    const header = packet.subarray(0, headerBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#sealing.key, nonceOf(header))
    cipher.setAAD(header)
    packet.set(cipher.update(payload), headerBytes)
    cipher.final()
    packet.set(cipher.getAuthTag(), headerBytes + payload.length)
    return packet
  }

  /** Null for a packet of a stranger, a damaged one, and one that was seen before. */
  open(packet: Uint8Array): Uint8Array | null {
    if (packet.length < headerBytes + tagBytes || packet.length > maxPacketBytes) return null
    if (packet[0] !== version) return null
    const ringKey = this.#ring.find(({ id }) => isEqual(id, packet.subarray(1, saltAt)))
    if (ringKey === undefined) return null
    const header = packet.subarray(0, headerBytes)
    const sender = Buffer.from(packet.subarray(1, counterAt)).toString('latin1')
    const counter = new DataView(packet.buffer, packet.byteOffset).getBigUint64(counterAt)
    if (!this.#windows.isFresh(sender, counter)) return null
    const key =
      this.#senderKeys.get(sender) ?? senderKey(ringKey.key, header.subarray(saltAt, counterAt))
    const payload = decrypt(key, header, packet.subarray(headerBytes))
    if (payload === null) return null
    // Only now: a stranger must neither use up a counter nor push a sender out of memory.
    this.#windows.accept(sender, counter)
    this.#remember(sender, key)
    return payload
  }

  #remember(sender: string, key: Uint8Array): void {
    this.#senderKeys.delete(sender)
    this.#senderKeys.set(sender, key)
    if (this.#senderKeys.size <= maxSenders) return
    const [oldest] = this.#senderKeys.keys()
    if (oldest !== undefined) this.#senderKeys.delete(oldest)
  }
}

function decrypt(key: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  const tagAt = sealed.length - tagBytes
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(header), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(header)
  decipher.setAuthTag(sealed.subarray(tagAt))
  const payload = Uint8Array.from(decipher.update(sealed.subarray(0, tagAt)))
  try {
    decipher.final()
    return payload
  } catch {
    return null
  }
}

function nonceOf(header: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce.set(header.subarray(counterAt, headerBytes), 4)
  return nonce
}

const keyIdOf = (key: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(key).digest().subarray(0, keyIdBytes))

const senderKey = (key: Uint8Array, salt: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key, salt, 'meshd datagram 1', 32))

const isEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.every((byte, at) => byte === other[at])
