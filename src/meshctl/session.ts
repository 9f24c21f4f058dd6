import { isOutOfSequence } from '../client/client-error.ts'
import { MeshClient } from '../client/mesh-client.ts'
import type { ApiNode, Filters } from '../client/types.ts'
import { parseEndpoint } from '../client/endpoint.ts'
import { asCommandError, describe, usage, type CommandError } from './command-error.ts'
import type { Io } from './io.ts'

export const defaultHost = 'unix:///run/meshd.sock'

/** What every command works with. */
export interface Session {
  readonly io: Io
  readonly client: MeshClient
}

export function openClient(host: string): MeshClient {
  const endpoint = parseEndpoint(host)
  if (endpoint !== null) return new MeshClient(endpoint)
  throw usage(
    `invalid host ${JSON.stringify(host)}`,
    `write it as ${defaultHost} or tcp://host:port`,
  )
}

/** `--filter key=value`, several times; the same key again is an alternative. */
export function parseFilterFlags(flags: readonly string[] = []): Filters {
  const filters: Record<string, string[]> = {}
  for (const flag of flags) {
    const cut = flag.indexOf('=')
    if (cut < 1) throw usage(`invalid --filter ${JSON.stringify(flag)}`, 'write it as key=value')
    const key = flag.slice(0, cut).trim()
    filters[key] = [...(filters[key] ?? []), flag.slice(cut + 1).trim()]
  }
  return filters
}

export const nodeName = (node: ApiNode): string => node.Spec.Name || node.Description.Hostname

/** Does it for each, says what failed, and fails like the first failure in the end. */
export async function forEach<T>(
  items: readonly T[],
  session: Session,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const failures: CommandError[] = []
  for (const item of items) {
    try {
      await act(item)
    } catch (error) {
      failures.push(asCommandError(error))
    }
  }
  const [first, ...others] = failures
  if (first === undefined) return
  for (const other of others) session.io.err(describe(other))
  throw first
}

const attempts = 4

/** Reads and writes again when somebody else was faster; gives up when that goes on. */
export async function retryOutOfSequence<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write()
    } catch (error) {
      if (attempt === attempts || !isOutOfSequence(error)) throw error
    }
  }
}
