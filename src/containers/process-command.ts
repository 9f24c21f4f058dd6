import { join } from 'node:path'
import { beyondProcess } from '../model/process-limits.ts'
import { isWhoami } from './builtin-image.ts'
import type { ContainerRequest } from './container-engine.ts'
import { engineFault } from './engine-fault.ts'
import { findProgram } from './find-program.ts'

/** Why such a task cannot run without an image; null when it can. */
export function processRefusal(request: ContainerRequest): string | null {
  if (request.command.length + request.args.length === 0 && !isWhoami(request.image)) {
    return `the process runtime cannot run image ${request.image} without a command`
  }
  const setting = beyondProcess(request.settings, request.logDriver)
  return setting === null ? null : `the process runtime has no ${setting}`
}

/** The program and its arguments; the program as a path, so that a wrong name is told by name. */
export function commandLine(request: ContainerRequest, path: string): readonly string[] {
  const [command, ...rest] = [...request.command, ...request.args]
  if (command === undefined) return [process.execPath, join(import.meta.dirname, 'whoami.ts')]
  const program = findProgram(command, path)
  if (program === null) {
    throw engineFault('engine/no-such-command', `no such program in PATH: ${command}`)
  }
  return [program, ...rest]
}

/** `place` wins for PORT and HOST, which the ingress relies on; the spec wins for the rest. */
export function taskEnvironment(
  request: ContainerRequest,
  place: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const environment: Record<string, string> = { ...place }
  for (const entry of request.env) {
    const at = entry.indexOf('=')
    // A name alone takes the variable away, as in docker.
    if (at < 0) delete environment[entry]
    else environment[entry.slice(0, at)] = entry.slice(at + 1)
  }
  const { PORT = '', HOST = '' } = place
  return { ...environment, ...factEnvironment(request), PORT, HOST }
}

/** What a task is told of itself, whatever runs it. */
export function factEnvironment({ facts }: ContainerRequest): Readonly<Record<string, string>> {
  return {
    MESH_TASK: facts.task,
    MESH_SLOT: facts.slot,
    MESH_NODE: facts.node,
    MESH_SERVICE: facts.service,
  }
}
