import type { Option } from 'commander'
import type { ServiceSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { converge } from './converge.ts'
import { Given, onOff } from './flag.ts'
import { pinImage } from './image-pin.ts'
import { findService, waitOptions, type WaitFlags } from './service-commands.ts'
import { changedSpec } from './service-spec.ts'
import { retryOutOfSequence, type Session } from './session.ts'

export const updateOptions: readonly Option[] = onOff(
  '--rollback',
  'go back to the spec before the last change',
)

/** Flags that say how to ask, not what for. */
const aboutAsking: ReadonlySet<string> = new Set([
  'rollback',
  'detach',
  'quiet',
  'timeout',
  'no-resolve-image',
  'with-registry-auth',
])

export async function updateService(
  session: Session,
  name: string,
  flags: WaitFlags,
): Promise<void> {
  const given = new Given(flags, session.io.env)
  if (given.isOn('rollback') === true) {
    if (given.others(aboutAsking).length > 0)
      throw usage('other flags may not be combined with --rollback')
    return rollBackService(session, name, flags)
  }
  const options = waitOptions(flags)
  let id = ''
  await retryOutOfSequence(async () => {
    const service = await findService(session, name)
    id = service.ID
    const wanted = changedSpec(service.Spec, given)
    const { spec, registryAuth } = await pinned(session, wanted, given)
    await session.client.updateService(id, service.Version.Index, { spec, registryAuth })
  })
  session.io.out(`${name}\n`)
  if (flags.detach !== true) await converge(session, id, options)
}

async function pinned(
  session: Session,
  spec: ServiceSpec,
  given: Given,
): Promise<{ readonly spec: ServiceSpec; readonly registryAuth: string | null }> {
  // An image that nobody named stays the one that runs.
  const isAsked = given.has('image') || given.isOn('with-registry-auth') === true
  return isAsked ? pinImage(session, spec, given) : { spec, registryAuth: null }
}

export async function rollBackService(
  session: Session,
  name: string,
  flags: WaitFlags,
): Promise<void> {
  const options = { ...waitOptions(flags), isRollback: true }
  let id = ''
  await retryOutOfSequence(async () => {
    const service = await findService(session, name)
    id = service.ID
    await session.client.rollBackService(id, service.Version.Index, service.Spec)
  })
  session.io.out(`${name}\n`)
  if (flags.detach !== true) await converge(session, id, options)
}
