import { readFileSync } from 'node:fs'
import { usage } from './command-error.ts'

/** Docker's env files: one entry a line, comments from `#`, no quotes, no expansions. */
export function readEnvFile(path: string): string[] {
  return textOf(path)
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.trimStart().replace(/\r$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usage(`cannot read --env-file ${path}`, error instanceof Error ? error.message : '')
  }
}
