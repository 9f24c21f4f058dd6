import * as z from 'zod'
import type { Disk } from '../base/disk.ts'
import type { NodeId } from '../base/ids.ts'
import type { RaftId } from '../raft/types.ts'
import { RaftStorage, type RaftStorageOptions } from '../storage/raft-storage.ts'
import { corrupt } from '../storage/wal-recovery.ts'
import { decodeJson, encodeJson, isRefused } from '../wire/frames.ts'
import { raftIdOf } from './raft-id.ts'

const idPath = 'raft/id.json'
const logDirectories = ['raft/wal', 'raft/snapshots']

/** One life of a node as a manager: Raft knows it by a number of its own, and it has its own log. */
export interface RaftLife {
  readonly raftId: RaftId
  /** Its log was begun: from then on it must be there. */
  readonly hasLog: boolean
}

const idFile: z.ZodType<RaftLife> = z.strictObject({
  raftId: z.int().positive(),
  hasLog: z.boolean().default(false),
})

/** Log and snapshots: other nodes' secrets are in them. The number stays: it is never used again. */
export async function clearRaftLog(disk: Disk): Promise<void> {
  for (const directory of logDirectories) {
    for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`)
  }
}

/** As if this machine had never been a manager of any cluster. */
export async function clearRaftFiles(disk: Disk): Promise<void> {
  await clearRaftLog(disk)
  await disk.remove(idPath)
}

/** The life to which the log on the disk belongs; a manager has one before it says that it is one. */
export async function loadRaftLife(disk: Disk, self: NodeId): Promise<RaftLife> {
  const bytes = await disk.read(idPath)
  // It went together with the log, or comes from a time in which first lives had no such file.
  if (bytes === null) return { raftId: raftIdOf(self), hasLog: true }
  const decoded = decodeJson(idFile, bytes)
  if (!isRefused(decoded)) return decoded
  throw corrupt(idPath, 0, decoded.refused)
}

export async function saveRaftLife(disk: Disk, life: RaftLife): Promise<void> {
  await disk.replace(idPath, encodeJson(life))
}

/** The log of this life: begun when it has none yet, and refused when what it had is lost. */
export async function openRaftLog(
  life: RaftLife,
  deps: Omit<RaftStorageOptions, 'mustExist'>,
): Promise<RaftStorage> {
  const storage = await RaftStorage.open({ ...deps, mustExist: life.hasLog })
  if (life.hasLog) return storage
  await storage.begin()
  await saveRaftLife(deps.disk, { ...life, hasLog: true })
  return storage
}
