import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import type { AppendFile, Disk, DiskRoom } from '../base/disk.ts'
import { MeshError } from '../base/mesh-error.ts'
import { StorageKey } from './storage-key.ts'

const lockPath = 'lock.json'
const keyBytes = 32
const saltBytes = 16
const magic = Buffer.from('MESHLCK1')
const lockPurpose = 'lock'

const lockFile = z.strictObject({
  version: z.literal(1),
  serial: z.int().min(0),
  key: z.base64(),
  isSealed: z.boolean(),
})

/** What the cluster says of its managers' keys; of two words the one with the higher serial counts. */
export interface LockOrder {
  readonly serial: number
  /** Null: no lock. */
  readonly unlockKey: Uint8Array | null
}

export interface Guarded {
  readonly paths: readonly string[]
  /** Without this one there is nothing to keep any more. */
  readonly anchor: string
}

/**
 * A disk on which some files can be locked: they are sealed with a key of this node's own, and
 * only the file that holds that key is sealed with the unlock key of the cluster. So locking,
 * unlocking for good and every change of the key are one file that is replaced: a crash leaves the
 * one state or the other.
 */
export class Vault implements Disk {
  readonly #disk: Disk
  readonly #guarded: Guarded
  /** Null while nothing was ever locked here, and while it is locked. */
  #key: Uint8Array | null = null
  #sealedKey: Uint8Array | null = null
  #serial = 0
  #unlockKey: Uint8Array | null = null
  /** Guarded files are read and replaced one at a time: sealing one must not undo a change of it. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(disk: Disk, guarded: Guarded) {
    this.#disk = disk
    this.#guarded = guarded
  }

  static async open(disk: Disk, guarded: Guarded): Promise<Vault> {
    const vault = new Vault(disk, guarded)
    const stored = await disk.read(lockPath)
    if (stored === null) return vault
    // A node that was forgotten, but for the end of it.
    if ((await disk.read(guarded.anchor)) === null) await vault.forget()
    else vault.#restore(stored)
    return vault
  }

  /** Until `unlock`, nothing that is guarded can be read. */
  get isLocked(): boolean {
    return this.#sealedKey !== null
  }

  /** False when this is not the key. */
  unlock(unlockKey: Uint8Array): boolean {
    if (this.#sealedKey === null) return true
    const key = open(unlockKey, this.#sealedKey)
    if (key === null) return false
    this.#key = key
    this.#sealedKey = null
    this.#unlockKey = unlockKey
    return true
  }

  /** Durable when it resolves. What is older than what was done here is not heard. */
  obey(order: LockOrder): Promise<'changed' | 'as it was'> {
    return this.#inTurn(async () => {
      if (order.serial < this.#serial || this.isLocked || this.#isAt(order)) return 'as it was'
      if (order.unlockKey !== null && this.#key === null) {
        const key = randomBytes(keyBytes)
        await this.#saveLock({ serial: this.#serial, unlockKey: null }, key)
        this.#key = key
      }
      if (this.#key === null) return 'as it was'
      if (order.unlockKey !== null) await this.#sealAll(this.#key)
      await this.#saveLock(order, this.#key)
      this.#serial = order.serial
      this.#unlockKey = order.unlockKey
      return 'changed'
    })
  }

  /** No lock any more, because of what this node is now, whatever the cluster's word for others. */
  release(): Promise<'changed' | 'as it was'> {
    return this.obey({ serial: this.#serial, unlockKey: null })
  }

  /** With everything that only its key opens. */
  forget(): Promise<void> {
    return this.#inTurn(async () => {
      for (const path of this.#guarded.paths) await this.#disk.remove(path)
      await this.#disk.remove(lockPath)
      this.#key = null
      this.#sealedKey = null
      this.#unlockKey = null
      this.#serial = 0
    })
  }

  read(path: string): Promise<Uint8Array | null> {
    if (!this.#isGuarded(path)) return this.#disk.read(path)
    return this.#inTurn(() => this.#readGuarded(path))
  }

  replace(path: string, data: Uint8Array): Promise<void> {
    if (!this.#isGuarded(path)) return this.#disk.replace(path, data)
    return this.#inTurn(async () => {
      if (this.isLocked) throw locked(path)
      const bytes = this.#key === null ? data : seal(this.#key, data, path)
      await this.#disk.replace(path, bytes)
    })
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path)
  }

  list(directory: string): Promise<string[]> {
    return this.#disk.list(directory)
  }

  openAppend(path: string): Promise<AppendFile> {
    return this.#disk.openAppend(path)
  }

  room(): Promise<DiskRoom> {
    return this.#disk.room()
  }

  truncate(path: string, length: number): Promise<void> {
    return this.#disk.truncate(path, length)
  }

  #isGuarded(path: string): boolean {
    return this.#guarded.paths.includes(path)
  }

  #isAt({ serial, unlockKey }: LockOrder): boolean {
    if (serial !== this.#serial) return false
    if (unlockKey === null || this.#unlockKey === null) return unlockKey === this.#unlockKey
    return Buffer.from(unlockKey).equals(this.#unlockKey)
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act)
    this.#turn = done.catch(() => {})
    return done
  }

  async #readGuarded(path: string): Promise<Uint8Array | null> {
    const stored = await this.#disk.read(path)
    if (stored === null || !isSealed(stored)) return stored
    if (this.#key === null) throw locked(path)
    const opened = open(this.#key, stored.subarray(magic.length), path)
    if (opened !== null) return opened
    throw new MeshError({ code: 'storage/corrupt', path, what: 'damaged, or of another lock' })
  }

  /** Every file: one that was written before there was a key, or before a crash, may be in clear. */
  async #sealAll(key: Uint8Array): Promise<void> {
    for (const path of this.#guarded.paths) {
      const stored = await this.#disk.read(path)
      if (stored === null || isSealed(stored)) continue
      await this.#disk.replace(path, seal(key, stored, path))
    }
  }

  async #saveLock({ serial, unlockKey }: LockOrder, key: Uint8Array): Promise<void> {
    const kept = unlockKey === null ? key : seal(unlockKey, key).subarray(magic.length)
    const file = {
      version: 1,
      serial,
      isSealed: unlockKey !== null,
      key: Buffer.from(kept).toString('base64'),
    }
    await this.#disk.replace(lockPath, Buffer.from(JSON.stringify(file)))
  }

  #restore(stored: Uint8Array): void {
    const { serial, key, isSealed: isLocked } = parseLock(stored)
    this.#serial = serial
    if (isLocked) this.#sealedKey = key
    else this.#key = key
  }
}

const isSealed = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, magic.length)).equals(magic)

function seal(key: Uint8Array, payload: Uint8Array, purpose = lockPurpose): Uint8Array {
  const salt = randomBytes(saltBytes)
  const sealed = new StorageKey(key).sealerFor(salt, purpose).seal(payload, magic)
  return Buffer.concat([magic, salt, sealed])
}

function open(key: Uint8Array, sealed: Uint8Array, purpose = lockPurpose): Uint8Array | null {
  const salt = sealed.subarray(0, saltBytes)
  return new StorageKey(key).sealerFor(salt, purpose).open(sealed.subarray(saltBytes), magic)
}

const locked = (path: string): MeshError => new MeshError({ code: 'storage/locked', path })

function parseLock(stored: Uint8Array) {
  try {
    const file = lockFile.parse(JSON.parse(Buffer.from(stored).toString('utf8')))
    return { ...file, key: Buffer.from(file.key, 'base64') }
  } catch {
    // Told below without the cause: its message could quote the key.
  }
  const remedy = 'restore lock.json, or empty the data directory and join again'
  throw new MeshError({ code: 'storage/corrupt', path: lockPath, what: 'no lock', remedy })
}
