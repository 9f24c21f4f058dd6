import { ClientError } from '../client/client-error.ts'
import type { ServiceSpec } from '../client/types.ts'
import { registryLogin } from './registry-login.ts'
import type { Session } from './session.ts'

export interface ImageFlags {
  /** False when `--no-resolve-image` was given. */
  readonly resolveImage?: boolean
  readonly withRegistryAuth?: boolean
}

export interface PinnedSpec {
  readonly spec: ServiceSpec
  /** Credentials that go with the service; null when none shall. */
  readonly registryAuth: string | null
}

/** As docker's client does it: the image by its digest, so that every node runs the same one. */
export async function pinImage(
  session: Session,
  spec: ServiceSpec,
  { resolveImage = true, withRegistryAuth = false }: ImageFlags,
): Promise<PinnedSpec> {
  const { Image } = spec.TaskTemplate.ContainerSpec
  const login = registryLogin(Image, session.io.env)
  const registryAuth = withRegistryAuth ? login : null
  if (!resolveImage || Image.includes('@')) return { spec, registryAuth }
  try {
    const { Descriptor, Platforms } = await session.client.distribution(Image, login)
    return { spec: pinned(spec, `${withTag(Image)}@${Descriptor.digest}`, Platforms), registryAuth }
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

const withTag = (image: string): string =>
  image.slice(image.lastIndexOf('/') + 1).includes(':') ? image : `${image}:latest`
