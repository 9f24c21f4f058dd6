import { spawn, type ChildProcess } from 'node:child_process'
import type { Clock } from '../../mesh/base/clock.ts'
import { engineFault } from './engine-fault.ts'
import type { ProcessLog } from './process-log.ts'
import { exitCodeOf } from './stop-signal.ts'

export interface ChildOptions {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The daemon's own when it is undefined. */
  readonly cwd: string | undefined
  readonly output: ProcessLog
  readonly clock: Clock
  /** Called once, when the main process has ended; what it left behind is dead too. */
  readonly ended: (exitCode: number) => void
}

/**
 * Leads a session and a process group of its own. A watcher, reparented away so that the task never
 * waits for it, sleeps on fd 3; when the daemon's end closes, however the daemon ended, it kills
 * the whole group. The shell then becomes the task itself: same pid, same exit code, same signals.
 */
const wrapper = `
( ( trap '' HUP INT QUIT TERM USR1 USR2; read -r _ <&3; kill -KILL 0 ) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`

const outputTimeoutMs = 500

/** A task's process group, which never outlives this process. */
export class SupervisedChild {
  readonly pid: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.pid = pid
  }

  static spawn({ argv, env, cwd, output, clock, ended }: ChildOptions): Promise<SupervisedChild> {
    const child = spawn('/bin/sh', ['-c', wrapper, 'sh', ...argv], {
      env: { ...env },
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = child[name]
      stream?.on('data', (chunk: Buffer) => output.push(name, chunk))
      stream?.on('error', () => stream.destroy())
    }
    child.stdio[3]?.on('error', () => child.stdio[3]?.destroy())
    return new Promise((resolve, reject) => {
      child.once('error', (cause) =>
        reject(engineFault('engine/start-failed', `cannot start: ${cause.message}`, cause)),
      )
      child.once('spawn', () => resolve(new SupervisedChild(child, child.pid ?? 0)))
      child.once('exit', (code, signal) => {
        killGroup(child.pid ?? 0)
        afterOutput(child, clock, () => {
          output.end()
          ended(exitCodeOf(code, signal))
        })
      })
    })
  }

  /** To the main process alone, as Docker does. */
  signal(signal: number): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
  }

  killGroup(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) killGroup(this.pid)
  }
}

/** What is still in the pipes is read first; a stranger who holds them open is not waited for. */
function afterOutput(child: ChildProcess, clock: Clock, done: () => void): void {
  const cancel = clock.after(outputTimeoutMs, settle)
  child.once('close', settle)

  function settle(): void {
    cancel()
    child.off('close', settle)
    for (const stream of child.stdio) stream?.destroy()
    done()
  }
}

/** With its main process a task's whole group ends, as a container does. */
function killGroup(pid: number): void {
  if (pid === 0) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}
