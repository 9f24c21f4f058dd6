import type { Option } from 'commander'
import { ClientError } from '../client/client-error.ts'
import type { ServiceSpec } from '../client/types.ts'
import { type Given, onOff } from './flag.ts'
import { registryLogin } from './registry-login.ts'
import type { Session } from './session.ts'

export const imageOptions: readonly Option[] = [
  ...onOff('--with-registry-auth', "send the registry's credentials along, for the nodes"),
  ...onOff('--no-resolve-image', 'do not ask the registry for the digest of the image'),
]

export interface PinnedSpec {
  readonly spec: ServiceSpec
  /** Credentials that go with the service; null when none shall. */
  readonly registryAuth: string | null
}

/** As docker's client does it: the image by its digest, so that every node runs the same one. */
export async function pinImage(
  session: Session,
  spec: ServiceSpec,
  given: Given,
): Promise<PinnedSpec> {
  const { Image } = spec.TaskTemplate.ContainerSpec
  const login = registryLogin(Image, session.io.env)
  const registryAuth = given.isOn('with-registry-auth') === true ? login : null
  if (given.isOn('no-resolve-image') === true || Image.includes('@')) return { spec, registryAuth }
  try {
    const { Descriptor, Platforms } = await session.client.distribution(Image, login)
    return { spec: pinned(spec, `${Image}@${Descriptor.digest}`, Platforms), registryAuth }
  } catch (error) {
    if (!(error instanceof ClientError) || error.fault.kind !== 'refused') throw error
    // Else nobody can ask a registry about it, and nobody needs to.
    if (error.fault.code !== 'api/no-registry') {
      session.io.err(
        `image ${Image} could not be accessed on a registry to record its digest; ` +
          'each node finds it by its name, and nodes may run different versions of it\n',
      )
    }
    return { spec, registryAuth }
  }
}

function pinned(
  spec: ServiceSpec,
  Image: string,
  platforms: readonly { readonly architecture?: string; readonly os?: string }[] | null,
): ServiceSpec {
  const { TaskTemplate: task } = spec
  const Platforms = (platforms ?? []).map(({ architecture = '', os = '' }) => ({
    Architecture: architecture,
    OS: os,
  }))
  return {
    ...spec,
    TaskTemplate: {
      ...task,
      ContainerSpec: { ...task.ContainerSpec, Image },
      ...(Platforms.length > 0 && { Placement: { ...task.Placement, Platforms } }),
    },
  }
}
