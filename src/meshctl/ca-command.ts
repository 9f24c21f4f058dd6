import { readFile } from 'node:fs/promises'
import { CommandError, exitCodes, usage } from './command-error.ts'
import { retryOutOfSequence, type Session } from './session.ts'

export interface CaFlags {
  readonly rotate?: boolean
  readonly caCert?: string
  readonly caKey?: string
  readonly detach?: boolean
  readonly quiet?: boolean
}

const lookMs = 500

/** Prints the root certificate, after it has been replaced when that is wished. */
export async function showAuthority(session: Session, flags: CaFlags): Promise<void> {
  const { client, io } = session
  if (flags.rotate === true) {
    await beginRotation(session, flags)
    if (flags.detach === true) return
    if (!(await waitForRotation(session, flags.quiet === true))) return
  } else if (flags.caCert !== undefined || flags.caKey !== undefined || flags.detach === true) {
    throw usage('--ca-cert, --ca-key and --detach need --rotate', 'add --rotate')
  }
  const { TLSInfo } = await client.swarm()
  io.out(`${TLSInfo.TrustRoot.trim()}\n`)
}

/** The files are read here and sent in the body: nothing of them stands in a list of processes. */
async function beginRotation({ client }: Session, { caCert, caKey }: CaFlags): Promise<void> {
  if ((caCert === undefined) !== (caKey === undefined)) {
    throw usage('--ca-cert and --ca-key belong together', 'give both, or none for a new CA')
  }
  const given = {
    SigningCACert: caCert === undefined ? '' : await readPem(caCert),
    SigningCAKey: caKey === undefined ? '' : await readPem(caKey),
  }
  await retryOutOfSequence(async () => {
    const swarm = await client.swarm()
    const known = swarm.Spec.CAConfig
    const CAConfig = { ...known, ...given, ForceRotate: (known?.ForceRotate ?? 0) + 1 }
    await client.updateSwarm(swarm, { ...swarm.Spec, CAConfig })
  })
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandError(exitCodes.usage, { what: `cannot read ${path}`, why })
  }
}

/** False when the user does not want to wait for its end. */
async function waitForRotation({ client, io }: Session, isQuiet: boolean): Promise<boolean> {
  const interrupt = io.watchInterrupt()
  const tell = (text: string): void => {
    if (!isQuiet) io.err(text)
  }
  tell('rotating the root CA: all nodes get new certificates …\n')
  while ((await client.swarm()).RootRotationInProgress) {
    if (interrupt.aborted) {
      tell('it goes on in the background\n')
      return false
    }
    await io.pause(lookMs)
  }
  tell('done: join tokens are new, too\n')
  return true
}
