import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { runProgram } from './daemon.ts'

const programs = ['ip', 'nsenter', 'tcpdump']

/** Why there can be no network namespaces here; null when there can. MESH_REQUIRE_ROOT=1 makes it fail. */
export function namespacesUnavailable(): string | null {
  const reason = whyUnavailable()
  assert.ok(
    reason === null || process.env['MESH_REQUIRE_ROOT'] !== '1',
    `network namespaces are required, but ${reason}`,
  )
  return reason
}

function whyUnavailable(): string | null {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces'
  for (const program of programs) {
    if (!isOnPath(program)) return `there is no ${program} on the PATH`
  }
  return null
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export interface LanHost {
  /** Network namespace. */
  readonly name: string
  /** Words before a program that make it run there. */
  readonly prefix: readonly string[]
}

/**
 * Machines on one wire, as network namespaces. The switch is a bridge in a namespace of its own:
 * nothing of the machine's own interfaces, firewall or sysctls is touched, no name of an interface
 * can clash, and removing the namespaces removes everything.
 */
export class Lan implements Disposable {
  readonly hosts: readonly LanHost[]
  readonly wire: LanHost
  readonly #namespaces: string[] = []

  /** Hosts by their addresses, in one /24; `label` tells this wire from others of this process. */
  constructor(label: string, addresses: readonly (readonly string[])[]) {
    const prefix = `meshd-${process.pid}-${label}`
    try {
      this.wire = this.#addHost(`${prefix}-wire`)
      ip('-n', this.wire.name, 'link', 'add', 'br0', 'type', 'bridge')
      ip('-n', this.wire.name, 'link', 'set', 'br0', 'up')
      this.hosts = addresses.map((own, at) => this.#plugIn(`${prefix}-${at + 1}`, own))
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Ends by name; whoever still runs in a namespace must have been ended before. */
  [Symbol.dispose](): void {
    for (const name of this.#namespaces.splice(0)) ip('netns', 'del', name)
  }

  /** Pulls the cable of the host of that number (1 is the first), or puts it back. */
  setPlugged(number: number, isPlugged: boolean): void {
    const port = `port${number + 1}`
    ip('-n', this.wire.name, 'link', 'set', port, isPlugged ? 'up' : 'down')
  }

  #addHost(name: string): LanHost {
    ip('netns', 'add', name)
    this.#namespaces.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return { name, prefix: ['nsenter', `--net=/var/run/netns/${name}`] }
  }

  #plugIn(name: string, addresses: readonly string[]): LanHost {
    const host = this.#addHost(name)
    const port = `port${this.#namespaces.length}`
    const wire = this.wire.name
    ip('-n', wire, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    ip('-n', wire, 'link', 'set', port, 'master', 'br0', 'up')
    for (const address of addresses) ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', name, 'link', 'set', 'eth0', 'up')
    return host
  }
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000 })
}

export interface CaptureOptions {
  readonly host: LanHost
  readonly interface: string
  /** In tcpdump's language. */
  readonly filter: string
  readonly file: string
}

/** A tcpdump that writes whole packets to a file until it is stopped. */
export class Capture implements AsyncDisposable {
  readonly #options: CaptureOptions
  readonly #child: ChildProcess
  #said = ''

  private constructor(options: CaptureOptions, child: ChildProcess) {
    this.#options = options
    this.#child = child
    child.stderr?.on('data', (part: Buffer) => (this.#said += part.toString()))
  }

  /** Resolves once nothing can be missed any more. */
  static async start(options: CaptureOptions): Promise<Capture> {
    const { host, file, filter } = options
    const words = [...host.prefix, 'tcpdump', '-i', options.interface, '-n', '-U', '-Z', 'root']
    // A generous buffer: a capture with holes proves nothing.
    const [program, ...args] = [...words, '-B', '16384', '-w', file, filter]
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const capture = new Capture(options, child)
    await capture.#isListening()
    return capture
  }

  /** Stops and answers all that was captured; throws when something was missed. */
  async stop(): Promise<Buffer> {
    await this.#end('SIGINT')
    assert.match(this.#said, /^0 packets dropped by kernel/m, 'the capture has holes')
    return readFileSync(this.#options.file)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** How many captured packets match; after `stop`. */
  async count(filter: string): Promise<number> {
    const words = ['-r', this.#options.file, '-n', filter]
    const { code, stdout, stderr } = await runProgram('tcpdump', words)
    assert.equal(code, 0, stderr)
    return stdout.split('\n').filter((line) => line !== '').length
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill(signal)
    await ended
  }

  #isListening(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    return new Promise((resolve, reject) => {
      this.#child.once('exit', () => reject(new Error(`tcpdump ended: ${this.#said}`)))
      this.#child.stderr?.on('data', () => {
        if (!this.#said.includes('listening on')) return
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
