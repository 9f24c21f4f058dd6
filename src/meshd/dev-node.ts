import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, openSync, closeSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DevNodeOptions {
  readonly index: number
  readonly baseDir: string
  readonly runtime: string
  readonly dockerSocket: string
  readonly join: string | null
  readonly isVerbose: boolean
}

/** One `meshd up` of a cluster on this machine, on a loopback address of its own. */
export class DevNode {
  readonly name: string
  readonly address: string
  readonly socketPath: string
  readonly logPath: string
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  constructor(options: DevNodeOptions) {
    this.name = `node${options.index}`
    this.address = `127.0.0.${options.index}`
    const dir = join(options.baseDir, this.name)
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    this.socketPath = join(dir, 'meshd.sock')
    this.logPath = join(dir, 'meshd.log')
    this.#child = start(this, dir, options)
    this.#exited = new Promise((resolve) => this.#child.once('exit', () => resolve()))
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The end of its log: why it did not start. */
  lastWords(): string {
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
  }

  /** Graceful; after `graceMs` the kernel ends it. */
  async stop(graceMs: number): Promise<void> {
    if (this.hasExited) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    await this.#exited
    clearTimeout(timer)
  }
}

function start(node: DevNode, dir: string, options: DevNodeOptions): ChildProcess {
  const flags = ['up', '--name', node.name, '--data-dir', dir, '--socket', node.socketPath]
  flags.push('--listen-addr', node.address, '--runtime', options.runtime)
  flags.push('--docker-socket', options.dockerSocket, '--ingress-workers', '1')
  const log = openSync(node.logPath, 'a', 0o600)
  const main = join(import.meta.dirname, 'main.ts')
  // The token in the environment: arguments can be read by everybody on the machine.
  const joining = options.join === null ? {} : { MESHD_JOIN: options.join }
  const child = spawn(process.execPath, [...process.execArgv, main, ...flags], {
    env: { ...process.env, ...joining },
    // The channel is its tie to us: a daemon whose starter is gone stops in order.
    stdio: ['ignore', log, options.isVerbose ? 'inherit' : log, 'ipc'],
  })
  closeSync(log)
  return child
}
