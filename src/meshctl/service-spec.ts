import type { Command } from 'commander'
import type { ServiceSpec } from '../client/types.ts'
import { containerFlags, tagged } from './container-flags.ts'
import type { Given } from './flag.ts'
import { type FlagRow, refused, type Verb } from './flag-rows.ts'
import { rolloutFlags } from './rollout-flags.ts'
import { serviceFlags } from './service-flags.ts'

const lists = ['secret', 'config', 'network', 'generic-resource']

const rows: readonly FlagRow[] = [
  ...serviceFlags,
  ...containerFlags,
  ...rolloutFlags,
  refused('credential-spec', 'max-concurrent', ...lists),
  refused(...lists.flatMap((name) => [`${name}-add`, `${name}-rm`])),
]

/** Every flag that says what a service shall be. */
export function withSpecFlags(command: Command, verb: Verb): Command {
  for (const option of rows.flatMap(({ options }) => options(verb))) command.addOption(option)
  return command
}

/** The spec that docker's CLI would post for the same flags; what they do not name stays as it is. */
export const changedSpec = (spec: ServiceSpec, given: Given): ServiceSpec =>
  rows.reduce((changed, row) => row.apply(changed, given), spec)

export const createdSpec = (image: string, args: readonly string[], given: Given): ServiceSpec =>
  changedSpec(
    {
      Name: '',
      Labels: {},
      TaskTemplate: {
        ContainerSpec: { Image: tagged(image), ...(args.length > 0 && { Args: args }) },
        Resources: { Limits: {}, Reservations: {} },
        Placement: {},
      },
      Mode: { Replicated: {} },
      EndpointSpec: { Mode: 'vip' },
    },
    given,
  )
