import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from './daemon.ts'
import { endByPidFile, endProcess, endShims, importBusybox, whenReady } from './docker-engine.ts'
import { eventually } from './eventually.ts'
import type { LanHost } from './namespaces.ts'

export interface LanEngineOptions {
  readonly name: string
  /** Where it runs; its network and its firewall's rules are that host's. */
  readonly host: LanHost
  readonly dir: string
  /** What dockerd is told beside. */
  readonly flags: readonly string[]
}

/**
 * A dockerd that takes its network namespace for a machine of its own, host name and mounts too.
 * Nothing of the machine's network is touched.
 */
export class LanEngine {
  readonly name: string
  readonly socket: string
  readonly host: LanHost
  readonly #options: LanEngineOptions
  /** Keeps host name and mounts while the engine comes and goes. */
  #holder: ChildProcess | null = null
  #daemon: ChildProcess | null = null

  constructor(options: LanEngineOptions) {
    this.name = options.name
    this.host = options.host
    this.socket = join(options.dir, 'docker.sock')
    this.#options = options
  }

  async start(): Promise<void> {
    const { dir } = this.#options
    mkdirSync(dir, { recursive: true })
    // Networks of a swarm put their state there, whatever --exec-root says.
    mkdirSync('/var/run/docker', { recursive: true })
    if (this.#holder === null) await this.#hold()
    await this.#run()
    importBusybox({ dir, socket: this.socket, tag: 'busybox:latest' })
  }

  /** The docker CLI against this engine. */
  async docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await runProgram('docker', [
      '-H',
      `unix://${this.socket}`,
      ...words,
    ])
    assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
    return stdout.trimEnd()
  }

  /** As a power cut would end it, for the others; its containers are ended too. */
  async kill(): Promise<void> {
    if (this.#daemon !== null) await endProcess(this.#daemon, 'SIGKILL')
    // Before containerd, which writes down that they are gone: else the next one looks for them.
    endShims(this.#options.dir)
    await sleep(500)
    await this.#end('SIGKILL')
  }

  /** As a crash would end it: containers and their shims stay. */
  crash(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** It answers nobody until `goOn`; its containers run. */
  hang(): void {
    this.#daemon?.kill('SIGSTOP')
  }

  goOn(): void {
    this.#daemon?.kill('SIGCONT')
  }

  /** Docker's daemon was seen to hang when it starts after a crash: it gets a second try. */
  async restart(): Promise<void> {
    try {
      await this.#run()
    } catch {
      await this.#end('SIGKILL')
      await this.#run()
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    endShims(this.#options.dir)
    if (this.#holder !== null) await endProcess(this.#holder, 'SIGKILL')
    this.#holder = null
  }

  async #hold(): Promise<void> {
    const { host, name } = this.#options
    const script = `mount -t tmpfs tmpfs /var/run/docker && busybox hostname ${name} && echo held && exec busybox sleep 3600`
    const words = [...host.prefix, 'unshare', '--mount', '--uts', 'sh', '-c', script]
    const [file = '', ...args] = words
    const holder = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#holder = holder
    let said = ''
    holder.stdout.on('data', (part: Buffer) => (said += part.toString()))
    await eventually(() => {
      assert.match(said, /held/)
      return Promise.resolve()
    }, 10_000)
  }

  async #run(): Promise<void> {
    const { dir, flags } = this.#options
    const log = openSync(join(dir, 'dockerd.log'), 'a')
    rmSync(join(dir, 'docker.pid'), { force: true })
    const inside = ['--target', String(this.#holder?.pid), '--mount', '--uts', '--net']
    const paths = [
      `--host=unix://${this.socket}`,
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'docker.pid')}`,
    ]
    const words = [...inside, 'dockerd', ...paths, '--ip-forward=false', '--userland-proxy=false']
    this.#daemon = spawn('nsenter', [...words, ...flags], { stdio: ['ignore', log, log] })
    closeSync(log)
    await whenReady(this.#daemon, this.socket, dir)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#daemon !== null) await endProcess(this.#daemon, signal)
    this.#daemon = null
    // Its containerd is nobody's child now, and the next dockerd could not use it.
    endByPidFile(join(this.#options.dir, 'exec/containerd/containerd.pid'))
  }
}
