import { createHash } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { CommandError, exitCodes, usage } from './command-error.ts'
import type { Session } from './session.ts'

export const restoreHelp = `
What it does: services, networks, secrets and configs become what they were when the snapshot was
taken, and so do the settings and join tokens of the cluster, and labels and availability of nodes
that are still members. What was created since is removed.
What it does not: roles and members stay as they are (nodes that left have to join again), the
cluster's authority too, and nothing of volumes is in a snapshot.
The file is checked before anything is changed. A snapshot of another cluster is taken only with
--force and by an empty cluster, which keeps its own id, tokens and members.`

/** For its owner alone, and whole or not there: a backup that was cut off is none. */
export async function saveSnapshot({ client, io }: Session, path: string): Promise<void> {
  const file = await client.saveSnapshot()
  if (!isWhole(file)) {
    const what = 'the snapshot did not arrive whole: nothing was saved'
    throw new CommandError(exitCodes.unreachable, { what, hint: 'try again' })
  }
  try {
    await writePrivately(path, file)
  } catch (error) {
    throw usage(`cannot write ${path}`, messageOf(error))
  }
  io.out(`Saved ${file.length} bytes to ${path}\n`)
  io.err(
    'warning: the file holds every secret of the cluster, with the key of its authority and its ' +
      'join tokens. Who can read it can join as a manager: keep it where only you can read it.\n',
  )
}

export async function restoreSnapshot(
  { client, io }: Session,
  path: string,
  flags: { readonly force?: boolean },
): Promise<void> {
  const file = await readFile(path).catch((error: unknown) => {
    throw usage(`cannot read ${path}`, messageOf(error))
  })
  const { Created, Updated, Removed, MissingNodes } = await client.restoreSnapshot(
    file,
    flags.force === true,
  )
  io.out(`Restored ${path}: ${Created} created, ${Updated} changed, ${Removed} removed\n`)
  if (MissingNodes.length === 0) return
  io.err(`no members of this cluster any more, let them join: ${MissingNodes.join(', ')}\n`)
}

/** Its first line ends with the SHA-256 of the rest. */
function isWhole(file: Buffer): boolean {
  const end = file.indexOf('\n')
  const rest = createHash('sha256').update(file.subarray(end + 1))
  return file.toString('utf8', 0, end).split(' ').at(-1) === rest.digest('hex')
}

async function writePrivately(path: string, file: Buffer): Promise<void> {
  const temporary = `${path}.part`
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(file)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '')
