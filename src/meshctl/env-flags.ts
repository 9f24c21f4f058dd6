import { usage } from './command-error.ts'
import { readEnvFile } from './env-file.ts'
import { type Given, several } from './flag.ts'
import { type FlagRow, list } from './flag-rows.ts'
import { container, valueAt, withValue } from './spec-path.ts'

const at = container('Env')

const variables = list<string>('-e, --env <name=value>', 'an environment variable', {
  ...{ at, removedBy: '<name>' },
  parse: (flag, text, { env }) => [entryOf(flag, text, env)],
  first: latestOfEach,
  merge: ({ before, added, removed }) =>
    latestOfEach([...before.filter((entry) => !removed.includes(nameOf(entry))), ...added]),
})

/** What is in files stands before what is on the command line. */
export const envRow: FlagRow = {
  options: (verb) => [
    ...variables.options(verb),
    ...(verb === 'create'
      ? [several('--env-file <file>', 'read environment variables from a file')]
      : []),
  ],
  apply(spec, given) {
    const after = variables.apply(spec, given)
    const paths = given.texts('env-file')
    if (paths === undefined) return after
    const ofFiles = paths.flatMap((path) => entriesOfFile(path, given))
    const said = (valueAt(after, at) ?? []) as readonly string[]
    return withValue(after, at, latestOfEach([...ofFiles, ...said]))
  },
}

/** A name alone takes the value that it has here; without one, docker makes it unset there. */
function entryOf(flag: string, entry: string, env: Given['env']): string {
  if (entry.startsWith('=') || entry === '') {
    throw usage(`invalid ${flag} ${JSON.stringify(entry)}`)
  }
  if (entry.includes('=')) return entry
  const value = env[entry]
  return value === undefined ? entry : `${entry}=${value}`
}

/** In a file a name without a value, here or there, is nothing. */
const entriesOfFile = (path: string, { env }: Given): readonly string[] =>
  readEnvFile(path)
    .map((entry) => entryOf('--env-file', entry, env))
    .filter((entry) => entry.includes('='))

/** Of a variable that is named twice the last one counts, and where it stands. */
function latestOfEach(entries: readonly string[]): readonly string[] {
  const byName = new Map<string, string>()
  for (const entry of entries) {
    byName.delete(nameOf(entry))
    byName.set(nameOf(entry), entry)
  }
  return [...byName.values()]
}

const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? entry
