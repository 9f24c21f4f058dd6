import { CommandError, exitCodes, usage } from './command-error.ts'
import { retryOutOfSequence, type Session } from './session.ts'

const advice =
  'To unlock a swarm manager after it restarts, run the `meshctl swarm unlock`\n' +
  'command and provide the following key:\n\n'
const warning =
  'Remember to store this key in a safe place: without it you will not be able\n' +
  'to restart the manager.\n'

export async function updateSwarm(
  session: Session,
  flags: { readonly autolock?: string },
): Promise<void> {
  const { client, io } = session
  const { autolock } = flags
  if (autolock === undefined) throw usage('nothing to change', 'give --autolock=true or =false')
  if (autolock !== 'true' && autolock !== 'false') {
    throw usage(`invalid --autolock ${JSON.stringify(autolock)}`, 'use true or false')
  }
  const AutoLockManagers = autolock === 'true'
  const before = await client.unlockKey()
  await retryOutOfSequence(async () => {
    const swarm = await client.swarm()
    await client.updateSwarm(swarm, { ...swarm.Spec, EncryptionConfig: { AutoLockManagers } })
  })
  io.out('Swarm updated.\n')
  if (AutoLockManagers && before === '') showKey(session, await client.unlockKey())
}

export async function unlockKey(
  session: Session,
  flags: { readonly rotate?: boolean; readonly quiet?: boolean },
): Promise<void> {
  const { client, io } = session
  const before = await client.unlockKey()
  if (before === '') throw notLocked()
  if (flags.rotate === true) {
    await retryOutOfSequence(async () => client.rotateUnlockKey(await client.swarm()))
  }
  const key = flags.rotate === true ? await client.unlockKey() : before
  if (flags.quiet === true) return io.out(`${key}\n`)
  if (flags.rotate === true) io.out('Successfully rotated manager unlock key.\n\n')
  showKey(session, key)
}

/** The key is asked for: an argument would stand in the list of processes. */
export async function unlock({ client, io }: Session): Promise<void> {
  const { Swarm } = await client.info()
  if (Swarm.LocalNodeState !== 'locked') {
    throw new CommandError(exitCodes.conflict, { what: 'swarm is not locked' })
  }
  const key = await io.readSecret('Enter unlock key: ')
  if (key === '') throw usage('no unlock key', 'type it, or give it on standard input')
  await client.unlock(key)
}

const showKey = ({ io }: Session, key: string): void => io.out(`${advice}    ${key}\n\n${warning}`)

const notLocked = (): CommandError =>
  new CommandError(exitCodes.error, {
    what: 'no unlock key is set',
    hint: 'meshctl swarm update --autolock=true locks the keys of managers',
  })
