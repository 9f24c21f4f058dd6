import type { ContainerSettings, Mount } from '../model/container-spec.ts'

/** A field that an older Docker drops without a word. */
export interface ApiNeed {
  readonly field: string
  /** The API's minor version that brought it. */
  readonly minor: number
}

/** What of these settings not every Docker that we can talk to (API 1.41) knows. */
export function apiNeeds({ Healthcheck, Mounts = [] }: ContainerSettings): readonly ApiNeed[] {
  const health: ApiNeed[] =
    (Healthcheck?.StartInterval ?? 0) > 0 ? [{ field: 'Healthcheck.StartInterval', minor: 44 }] : []
  return [...health, ...Mounts.flatMap(mountNeeds)]
}

function mountNeeds({ BindOptions: bind, VolumeOptions, TmpfsOptions }: Mount): ApiNeed[] {
  const needs: (ApiNeed & { readonly isUsed: boolean })[] = [
    { field: 'CreateMountpoint', minor: 42, isUsed: bind?.CreateMountpoint === true },
    { field: 'ReadOnlyNonRecursive', minor: 44, isUsed: bind?.ReadOnlyNonRecursive === true },
    { field: 'ReadOnlyForceRecursive', minor: 44, isUsed: bind?.ReadOnlyForceRecursive === true },
    { field: 'Subpath', minor: 45, isUsed: (VolumeOptions?.Subpath ?? '') !== '' },
    { field: 'Options', minor: 46, isUsed: (TmpfsOptions?.Options ?? []).length > 0 },
  ]
  return needs
    .filter(({ isUsed }) => isUsed)
    .map(({ field, minor }) => ({ field: `Mounts.${field}`, minor }))
}

/** The API's version as Docker says it, `1.41`; 0 for what is not understood. */
export const minorOf = (apiVersion: string): number =>
  Number(/^1\.(\d+)$/.exec(apiVersion)?.[1] ?? 0)
