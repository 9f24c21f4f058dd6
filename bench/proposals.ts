import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Figure } from './figure.ts'

/** Proposals on the leader of three, in processes that Node runs as it runs `meshd`. */
export async function measureProposals(): Promise<Figure[]> {
  const script = join(import.meta.dirname, 'proposals/leader.ts')
  const leader = fork(script, { execArgv: flagsOfMeshd() })
  const exited = once(leader, 'exit')
  const figures = new Promise<Figure[]>((resolve, reject) => {
    leader.once('message', (message) => resolve(message as Figure[]))
    void exited.then(() => reject(new Error('the leader ended without figures')))
  })
  const found = await figures
  await exited
  return found
}

/** Between the program and the script, in the line that `bin/meshd` ends in. */
function flagsOfMeshd(): string[] {
  const script = readFileSync(join(import.meta.dirname, '../bin/meshd'), 'utf8')
  const line = /^exec "[^"]+" (.*) "[^"]+main\.ts"/m.exec(script)
  if (line?.[1] === undefined) throw new Error('bin/meshd does not start Node as it used to')
  return line[1].split(' ')
}
