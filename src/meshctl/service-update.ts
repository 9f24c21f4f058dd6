import type { Command } from 'commander'
import type { ServiceSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { converge } from './converge.ts'
import { type ImageFlags, pinImage } from './image-pin.ts'
import { withRolloutFlags } from './rollout-flags.ts'
import { findService, waitOptions, type WaitFlags } from './service-commands.ts'
import { type UpdateFlags, updatedSpec } from './service-update-spec.ts'
import { retryOutOfSequence, type Session } from './session.ts'

type Collect = (value: string, previous?: readonly string[]) => readonly string[]

export const withUpdateFlags = (command: Command, collect: Collect): Command =>
  withRolloutFlags(command)
    .option('--image <image>', 'run this image from now on')
    .option('--args <words>', 'what follows the image')
    .option('--replicas <count>', 'number of tasks')
    .option('--force', 'replace all tasks although nothing changed')
    .option('--rollback', 'go back to the spec before the last change')
    .option('--env-add <name=value>', 'add or change an environment variable', collect)
    .option('--env-rm <name>', 'remove an environment variable', collect)
    .option('--label-add <key=value>', 'add or change a label of the service', collect)
    .option('--label-rm <key>', 'remove a label of the service', collect)
    .option('--container-label-add <key=value>', 'add or change a container label', collect)
    .option('--container-label-rm <key>', 'remove a container label', collect)
    .option('--publish-add <port>', 'published:target, or published=…,target=…', collect)
    .option('--publish-rm <target>', 'no longer publish this target port', collect)
    .option('--constraint-add <expression>', 'such as node.labels.zone==a', collect)
    .option('--constraint-rm <expression>', 'remove a constraint', collect)
    .option('--placement-pref-add <preference>', 'such as spread=node.labels.zone', collect)
    .option('--placement-pref-rm <preference>', 'remove a preference', collect)
    .option('--replicas-max-per-node <count>', 'at most so many on one node; 0: any number')
    .option('--limit-cpu <cpus>', 'at most, such as 0.5')
    .option('--limit-memory <bytes>', 'at most, such as 512m')
    .option('--limit-pids <count>', 'processes at most')
    .option('--reserve-cpu <cpus>', 'set aside on the node')
    .option('--reserve-memory <bytes>', 'set aside on the node')
    .option('--restart-condition <condition>', 'none, on-failure or any')
    .option('--restart-delay <duration>', 'between attempts')
    .option('--restart-max-attempts <count>', 'before giving up')
    .option('--restart-window <duration>', 'in which attempts are counted')
    .option('--entrypoint <command>', "instead of the image's")
    .option('-u, --user <user>', 'name or id, and group: user:group')
    .option('-w, --workdir <path>', 'where the command starts')
    .option('--hostname <name>', 'of the container')
    .option('--read-only', 'mount the root file system read-only')
    .option('-t, --tty', 'give it a terminal')
    .option('--init', 'run an init that reaps processes')
    .option('--stop-grace-period <duration>', 'before a container is killed')
    .option('--stop-signal <signal>', 'that stops the container')
    .option('--with-registry-auth', "send the registry's credentials along, for the nodes")
    .option('--no-resolve-image', 'do not ask the registry for the digest of the image')

type Flags = UpdateFlags & ImageFlags & WaitFlags & { readonly rollback?: boolean }

/** Flags that say how to ask, not what for. */
const aboutAsking: ReadonlySet<string> = new Set([
  'rollback',
  'detach',
  'quiet',
  'timeout',
  'resolveImage',
  'withRegistryAuth',
])

export async function updateService(session: Session, name: string, flags: Flags): Promise<void> {
  const changes = Object.keys(flags).filter((flag) => !aboutAsking.has(flag))
  if (flags.rollback === true) {
    if (changes.length > 0) throw usage('other flags may not be combined with --rollback')
    return rollBackService(session, name, flags)
  }
  const options = waitOptions(flags)
  let id = ''
  await retryOutOfSequence(async () => {
    const service = await findService(session, name)
    id = service.ID
    const wanted = updatedSpec(service.Spec, flags, session.io.env)
    const { spec, registryAuth } = await pinned(session, wanted, flags)
    await session.client.updateService(id, service.Version.Index, { spec, registryAuth })
  })
  session.io.out(`${name}\n`)
  if (flags.detach !== true) await converge(session, id, options)
}

async function pinned(
  session: Session,
  spec: ServiceSpec,
  flags: Flags,
): Promise<{ readonly spec: ServiceSpec; readonly registryAuth: string | null }> {
  // An image that nobody named stays the one that runs.
  const isAsked = flags.image !== undefined || flags.withRegistryAuth === true
  return isAsked ? pinImage(session, spec, flags) : { spec, registryAuth: null }
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
