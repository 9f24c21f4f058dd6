import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  randomBytes,
  type BinaryLike,
} from 'node:crypto'
import * as z from 'zod'
import type { Disk } from '../base/disk.ts'
import { MeshError } from '../base/mesh-error.ts'

export const storageKeyPath = 'storage.key'

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
/** What sealing adds to a payload. */
export const sealOverheadBytes: number = nonceBytes + tagBytes

const keyFile = z.object({ version: z.literal(1), key: z.base64() })

/** The node's key for everything at rest; what seals is derived from it, file by file. */
export class StorageKey {
  readonly id: number
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
    this.id = createHash('sha256').update(key).digest().readUInt32BE(0)
  }

  /** A key of its own for each file: random nonces then never meet twice under one key. */
  sealerFor(salt: Uint8Array, purpose: string): Sealer {
    return new Sealer(
      Buffer.from(hkdfSync('sha256', this.#key, salt, `meshd ${purpose}`, keyBytes)),
    )
  }
}

/** AES-256-GCM; `about` is bound to the payload without being part of it. */
export class Sealer {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = key
  }

  seal(payload: Uint8Array, about: Uint8Array): Uint8Array {
    return Buffer.concat([...this.sealParts([payload], about)])
  }

  /** The same piece by piece: a long payload need not be sealed in one go. */
  *sealParts(payload: Iterable<Uint8Array>, about: Uint8Array): Generator<Uint8Array> {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(about)
    yield nonce
    for (const part of payload) yield cipher.update(part)
    yield cipher.final()
    yield cipher.getAuthTag()
  }

  /** Null when it was not sealed with this key about exactly this. */
  open(sealed: Uint8Array, about: BinaryLike & Uint8Array): Uint8Array | null {
    if (sealed.length < sealOverheadBytes) return null
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, nonceBytes))
    decipher.setAAD(about)
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    const payload = decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes))
    try {
      return Buffer.concat([payload, decipher.final()])
    } catch {
      return null
    }
  }
}

/** The key in the data directory, drawn at the first start; `isFirstStart` when nothing is sealed yet. */
export async function openStorageKey(disk: Disk, isFirstStart: boolean): Promise<StorageKey> {
  const stored = await disk.read(storageKeyPath)
  if (stored !== null) return parseKey(stored)
  if (!isFirstStart) {
    const remedy = 'restore storage.key, or empty the data directory and join again'
    throw new MeshError({ code: 'storage/key-missing', path: storageKeyPath, remedy })
  }
  const key = randomBytes(keyBytes)
  const file = JSON.stringify({ version: 1, key: key.toString('base64') })
  await disk.replace(storageKeyPath, Buffer.from(file))
  return new StorageKey(key)
}

function parseKey(stored: Uint8Array): StorageKey {
  try {
    const { key } = keyFile.parse(JSON.parse(Buffer.from(stored).toString('utf8')))
    const bytes = Buffer.from(key, 'base64')
    if (bytes.length === keyBytes) return new StorageKey(bytes)
  } catch {
    // Told below without the cause: its message could quote the key.
  }
  const remedy = 'restore storage.key, or empty the data directory and join again'
  throw new MeshError({ code: 'storage/corrupt', path: storageKeyPath, offset: 0, remedy })
}
