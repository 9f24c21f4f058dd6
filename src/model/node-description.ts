import type { Json } from '../../mesh/base/json.ts'
import type { Newcomer } from '../../mesh/catalog/policy.ts'
import type { NodeDescription } from './docker.ts'

type Facts = Readonly<Record<string, Json>>

/**
 * What a newcomer says of itself, as far as it is a description: whoever has a token may say what
 * it likes, and rules and clients must be able to read it. Its agent tells the rest.
 */
export function describedBy({ name, description }: Newcomer): NodeDescription {
  const { Platform, Resources, Engine, Runtime } = description
  const [platform, resources, engine] = [Platform, Resources, Engine].map(factsOf)
  return {
    // One name, which the join has checked.
    Hostname: name,
    Platform: { Architecture: textOf(platform?.['Architecture']), OS: textOf(platform?.['OS']) },
    Resources: {
      NanoCPUs: amountOf(resources?.['NanoCPUs']),
      MemoryBytes: amountOf(resources?.['MemoryBytes']),
    },
    Engine: {
      EngineVersion: textOf(engine?.['EngineVersion']),
      Labels: labelsOf(factsOf(engine?.['Labels'])),
    },
    Runtime: Runtime === 'process' ? 'process' : 'docker',
  }
}

const factsOf = (value: Json | undefined): Facts =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : {}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

const amountOf = (value: Json | undefined): number =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : 0

const labelsOf = (facts: Facts): Record<string, string> =>
  Object.fromEntries(
    Object.entries(facts).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, value]] : [],
    ),
  )
