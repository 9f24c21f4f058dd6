import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where a command is, as `execvp` would look for it; null when it is nowhere. */
export function findProgram(command: string, path: string): string | null {
  if (command.includes('/')) return isProgram(command) ? command : null
  const candidates = path
    .split(delimiter)
    .map((folder) => join(folder === '' ? '.' : folder, command))
  return candidates.find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
