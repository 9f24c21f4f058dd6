import * as z from 'zod'
import type { Disk } from '../base/disk.ts'
import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { RaftId } from '../raft/types.ts'
import { decodeJson, encodeJson, isRefused } from '../wire/frames.ts'
import { raftIdOf } from './raft-id.ts'

const idPath = 'raft/id.json'
const logDirectories = ['raft/wal', 'raft/snapshots']

const idFile: z.ZodType<{ readonly raftId: RaftId }> = z.strictObject({
  raftId: z.int().positive(),
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

/** The number under which the log on the disk was written. */
export async function loadRaftId(disk: Disk, self: NodeId): Promise<RaftId> {
  const bytes = await disk.read(idPath)
  if (bytes === null) return raftIdOf(self)
  const decoded = decodeJson(idFile, bytes)
  if (!isRefused(decoded)) return decoded.raftId
  throw new MeshError({ code: 'storage/corrupt', path: idPath, what: decoded.refused })
}

export async function saveRaftId(disk: Disk, raftId: RaftId): Promise<void> {
  await disk.replace(idPath, encodeJson({ raftId }))
}
