/**
 * A directory on a disk, as storage sees it. Paths are relative to it. Every failure rejects with a
 * `MeshError`; a failed `sync` is final: callers must end the process, never retry (fsyncgate).
 */
export interface Disk {
  /** Null when there is no such file. */
  read(path: string): Promise<Uint8Array | null>
  /** Atomic and durable: temporary file, fsync, rename, fsync of the directory. Mode 0600. */
  replace(path: string, data: Uint8Array): Promise<void>
  remove(path: string): Promise<void>
  /** File names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<string[]>
  /** Opens for appending, creating file and directory (durably) when missing. */
  openAppend(path: string): Promise<AppendFile>
  /** How much more fits on it, and where an operator finds it. */
  room(): Promise<DiskRoom>
  /** Cuts a file to `length` bytes and makes that durable. */
  truncate(path: string, length: number): Promise<void>
}

export interface DiskRoom {
  readonly freeBytes: number
  readonly where: string
}

export interface AppendFile {
  append(data: Uint8Array): Promise<void>
  /** fdatasync. */
  sync(): Promise<void>
  close(): Promise<void>
}
