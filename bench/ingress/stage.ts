import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder and processes that are gone when the bench ends, however it ends. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'meshd-bench-'))
  readonly #ends: (() => void)[] = []
  readonly #clear = (): void => this[Symbol.dispose]()

  constructor() {
    // nginx reads as another user when it was started by root.
    chmodSync(this.folder, 0o755)
    process.once('exit', this.#clear)
    process.once('SIGTERM', exitNow)
    process.once('SIGINT', exitNow)
  }

  makeFolder(name: string): string {
    const path = join(this.folder, name)
    mkdirSync(path)
    return path
  }

  write(name: string, content: string | Uint8Array, mode = 0o644): string {
    const path = join(this.folder, name)
    writeFileSync(path, content, { mode })
    return path
  }

  /** It says on our standard error why it does not start. */
  start(command: string, args: readonly string[]): number {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    child.once('error', (error) => console.error(`${command}: ${error.message}`))
    if (child.pid === undefined) throw new Error(`${command} does not start`)
    const { pid } = child
    this.atEnd(() => end(pid))
    return pid
  }

  atEnd(end: () => void): void {
    this.#ends.push(end)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#clear)
    process.off('SIGTERM', exitNow)
    process.off('SIGINT', exitNow)
    for (const each of this.#ends.splice(0)) each()
    removeAll(this.folder)
  }
}

const removals = 50

/** What is ending removes files of its own meanwhile: one that has just gone stops `rmSync`, silently. */
function removeAll(folder: string): void {
  for (let at = 0; at < removals && existsSync(folder); at++) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

const exitNow = (): void => process.exit(1)

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It has ended by itself.
  }
}
