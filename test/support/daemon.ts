import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; never rejects: the exit code is part of the answer. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Output> {
  const env = { ...process.env, ...options.env }
  const limits = { timeout: options.timeoutMs ?? 60_000, maxBuffer: 32 << 20, env }
  return new Promise((resolve) => {
    execFile(file, [...args], limits, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255
      resolve({ code, stdout, stderr })
    })
  })
}

export interface DaemonOptions {
  readonly name: string
  readonly address: string
  readonly dir: string
  readonly join?: string
  readonly runtime?: 'docker' | 'process'
  readonly dockerSocket?: string
  readonly flags?: readonly string[]
  /** Words before the program, such as `nsenter --net=…`. */
  readonly prefix?: readonly string[]
  /** Where its clients find docker's configuration: logins. */
  readonly clientConfig?: string
}

/** One real `meshd up`, in a process group of its own so that a whole node can be killed at once. */
export class Daemon {
  readonly options: DaemonOptions
  readonly socketPath: string
  readonly logPath: string
  #child: ChildProcess | null = null

  constructor(options: DaemonOptions) {
    this.options = options
    mkdirSync(options.dir, { recursive: true })
    this.socketPath = join(options.dir, 'meshd.sock')
    this.logPath = join(options.dir, 'meshd.log')
  }

  get address(): string {
    return this.options.address
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  /** Null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child?.exitCode ?? null
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  /** `more` are flags of this start only. */
  start(joinLine?: string, more: readonly string[] = []): void {
    const { address, dir, name, runtime = 'process', dockerSocket, flags = [] } = this.options
    const words = [join(root, 'bin/meshd'), 'up', '--name', name, '--data-dir', join(dir, 'data')]
    words.push('--socket', this.socketPath, '--listen-addr', address, '--runtime', runtime)
    words.push('--ingress-workers', '1', ...flags, ...more)
    if (dockerSocket !== undefined) words.push('--docker-socket', dockerSocket)
    if (joinLine !== undefined) words.push('--join', joinLine)
    const [file, ...args] = [...(this.options.prefix ?? []), ...words]
    const log = openSync(this.logPath, 'a')
    this.#child = spawn(file as string, args, { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
  }

  /** kill -9 of the daemon, its ingress and all that is in its process group. */
  killNode(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** kill -9 of the daemon alone. */
  async killDaemon(): Promise<void> {
    const exited = this.exited()
    this.#child?.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    const exited = this.exited()
    this.#child?.kill('SIGTERM')
    const timer = setTimeout(() => void this.#end('SIGKILL'), 20_000)
    await exited
    clearTimeout(timer)
    // The ingress ends with its daemon; what a failed test left behind goes too.
    await this.#end('SIGKILL')
  }

  exited(): Promise<void> {
    const child = this.#child
    if (child === null || !this.isRunning) return Promise.resolve()
    return new Promise((resolve) => child.once('exit', () => resolve()))
  }

  log(): string {
    return readFileSync(this.logPath, 'utf8')
  }

  meshctl(...args: string[]): Promise<Output> {
    return this.#client(join(root, 'bin/meshctl'), args)
  }

  /** The real docker CLI against this daemon's socket. */
  docker(...args: string[]): Promise<Output> {
    return this.#client('docker', args)
  }

  #client(file: string, args: readonly string[]): Promise<Output> {
    const { clientConfig } = this.options
    const env = clientConfig === undefined ? {} : { DOCKER_CONFIG: clientConfig }
    return runProgram(file, ['-H', `unix://${this.socketPath}`, ...args], { env })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const exited = this.exited()
    try {
      process.kill(-this.pid, signal)
    } catch {
      // The group is gone already.
    }
    await exited
  }
}

/** Daemons on loopback addresses of one block, with everything they leave in one folder. */
export class Cluster implements AsyncDisposable {
  readonly dir: string
  readonly daemons: Daemon[] = []
  readonly #block: string
  readonly #defaults: Partial<DaemonOptions>

  /** `block` such as `127.0.20`: nodes get .1, .2 and so on, so that test files do not meet. */
  constructor(block: string, defaults: Partial<DaemonOptions> = {}) {
    this.#block = block
    this.#defaults = defaults
    this.dir = mkdtempSync(join(tmpdir(), 'meshd-e2e-'))
  }

  add(overrides: Partial<DaemonOptions> = {}): Daemon {
    const number = this.daemons.length + 1
    const name = `n${number}`
    const address = `${this.#block}.${number}`
    const dir = join(this.dir, name)
    const daemon = new Daemon({ ...this.#defaults, name, address, dir, ...overrides })
    this.daemons.push(daemon)
    return daemon
  }

  /** `count` managers, one after the other, each up before the next. */
  async startManagers(count: number): Promise<Daemon[]> {
    for (let number = 1; number <= count; number++) await this.startNode('manager')
    return this.daemons
  }

  async startNode(
    role: 'manager' | 'worker',
    overrides: Partial<DaemonOptions> = {},
  ): Promise<Daemon> {
    const [first] = this.daemons
    const line = first === undefined ? undefined : await joinLine(first, role)
    const daemon = this.add(overrides)
    daemon.start(line)
    await isUp(daemon)
    return daemon
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.daemons.map((daemon) => daemon.stop()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export async function joinLine(manager: Daemon, role: 'manager' | 'worker'): Promise<string> {
  const { stdout, stderr, code } = await manager.meshctl('swarm', 'join-token', '-q', role)
  if (code !== 0) throw new Error(`no join token: ${stderr}`)
  return `${stdout.trim()}@${manager.address}:2377`
}

/** Until the daemon says that it is an active member. */
export function isUp(daemon: Daemon): Promise<void> {
  return eventually(`${daemon.options.name} is up`, 30_000, async () => {
    if (!daemon.isRunning) throw new Error(`it ended:\n${daemon.log().slice(-2000)}`)
    const { stdout, code } = await daemon.meshctl('info', '--format', '{{.Swarm.LocalNodeState}}')
    return code === 0 && stdout.trim() === 'active'
  })
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))

/** Asks again every 100 ms until `check` is true; fails with `what` and the last error after `limitMs`. */
export async function eventually(
  what: string,
  limitMs: number,
  check: () => Promise<boolean> | boolean,
): Promise<void> {
  const deadline = performance.now() + limitMs
  let last: unknown = null
  for (;;) {
    try {
      if (await check()) return
      last = null
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${limitMs} ms: ${what}`, { cause: last })
    }
    await sleep(100)
  }
}
