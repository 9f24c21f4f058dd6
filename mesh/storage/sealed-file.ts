import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Disk } from '../base/disk.ts'
import { MeshError } from '../base/mesh-error.ts'
import { crc32c } from './crc32c.ts'
import { openStorageKey } from './storage-key.ts'

const magic = Buffer.from('MESHFIL1')
const saltBytes = 16
const headerBytes = 32

export interface SealedFileOptions {
  readonly disk: Disk
  readonly path: string
  /** Binds the key to what the file is for. */
  readonly purpose: string
  readonly maxBytes: number
}

/**
 * One file that is replaced whole, sealed with the node's storage key:
 *
 *     magic(8) key id(4) crc of the rest(4) salt(16) sealed payload
 */
export class SealedFile {
  readonly #options: SealedFileOptions

  constructor(options: SealedFileOptions) {
    this.#options = options
  }

  /** Atomic and durable; false, and the old one stays, when it would be longer than allowed. */
  async save(payload: Iterable<Uint8Array>): Promise<boolean> {
    const { disk, path, purpose, maxBytes } = this.#options
    const key = await openStorageKey(disk, true)
    const salt = randomBytes(saltBytes)
    const sealed: Uint8Array[] = []
    let crc = crc32c(salt)
    let bytes = headerBytes
    for (const part of key.sealerFor(salt, purpose).sealParts(payload, magic)) {
      sealed.push(part)
      crc = crc32c(part, crc)
      bytes += part.length
      if (bytes > maxBytes) return false
      // Elections and probes do not wait until a large one is sealed.
      await setImmediate()
    }
    const header = Buffer.alloc(headerBytes)
    magic.copy(header)
    header.writeUInt32BE(key.id, 8)
    header.writeUInt32BE(crc, 12)
    salt.copy(header, 16)
    await disk.replace(path, Buffer.concat([header, ...sealed]))
    return true
  }

  /** Null when there is none; rejects with `storage/corrupt` when it is not what was saved. */
  async load(): Promise<Uint8Array | null> {
    const { disk, path, purpose } = this.#options
    const file = await disk.read(path)
    if (file === null) return null
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
    const isWhole = bytes.length >= headerBytes && bytes.subarray(0, 8).equals(magic)
    if (!isWhole) throw new MeshError({ code: 'storage/corrupt', path, what: 'not a sealed file' })
    const key = await openStorageKey(disk, false)
    const salt = bytes.subarray(16, headerBytes)
    const sealed = bytes.subarray(headerBytes)
    const isIntact =
      bytes.readUInt32BE(8) === key.id && bytes.readUInt32BE(12) === crc32c(sealed, crc32c(salt))
    const opened = isIntact ? key.sealerFor(salt, purpose).open(sealed, magic) : null
    if (opened !== null) return opened
    throw new MeshError({ code: 'storage/corrupt', path, what: 'damaged, or of another key' })
  }

  async remove(): Promise<void> {
    await this.#options.disk.remove(this.#options.path)
  }
}
