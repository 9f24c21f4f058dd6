import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  dockerUnavailable,
  endByPidFile,
  endProcess,
  endShims,
  importBusybox,
  whenReady,
} from './docker-engine.ts'
import { eventually } from './eventually.ts'
import { Lan, namespacesUnavailable, type LanHost } from './namespaces.ts'
import { SwarmApi } from './swarm-api.ts'

/** Why no swarm can be made here; null when it can. */
export const swarmUnavailable = (): string | null => dockerUnavailable() ?? namespacesUnavailable()

/**
 * A swarm of Docker's own: one manager and its workers, each engine a machine of its own as far as
 * it can tell (network, host name, mounts). Nothing of the machine's network is touched.
 */
export class SwarmEngines implements AsyncDisposable {
  readonly engines: readonly SwarmEngine[]
  readonly #lan: Lan
  readonly #dir: string

  private constructor(lan: Lan, dir: string, block: string) {
    this.#lan = lan
    this.#dir = dir
    this.engines = lan.hosts.map((host, at) => {
      const name = `n${at + 1}`
      return new SwarmEngine({ name, address: `${block}.${at + 1}`, host, dir: join(dir, name) })
    })
  }

  /** `block` such as `198.18.40`: engines get .1, .2 and so on. */
  static async start(block: string, count: number): Promise<SwarmEngines> {
    const addresses = Array.from({ length: count }, (_, at) => [`${block}.${at + 1}`])
    const dir = mkdtempSync(join(tmpdir(), 'swm-'))
    const swarm = new SwarmEngines(new Lan('swarm', addresses), dir, block)
    try {
      await Promise.all(swarm.engines.map((engine) => engine.start()))
      await swarm.#join()
    } catch (error) {
      await swarm[Symbol.asyncDispose]()
      throw error
    }
    return swarm
  }

  async #join(): Promise<void> {
    const [manager, ...workers] = this.engines
    assert.ok(manager)
    // A lost node is noticed after three beats.
    const Spec = { Dispatcher: { HeartbeatPeriod: 1e9 } }
    await manager.api.call('POST', '/swarm/init', { ...addressesOf(manager), Spec })
    const { JoinTokens } = JSON.parse(await manager.api.call('GET', '/swarm')) as {
      readonly JoinTokens: { readonly Worker: string }
    }
    const RemoteAddrs = [`${manager.address}:2377`]
    const JoinToken = JoinTokens.Worker
    for (const worker of workers) {
      const wanted = { ...addressesOf(worker), RemoteAddrs, JoinToken }
      await worker.api.call('POST', '/swarm/join', wanted)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.stop()))
    this.#lan[Symbol.dispose]()
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

const addressesOf = ({ address }: SwarmEngine) => ({
  ListenAddr: `${address}:2377`,
  AdvertiseAddr: address,
})

interface EngineOptions {
  readonly name: string
  readonly address: string
  readonly host: LanHost
  readonly dir: string
}

export class SwarmEngine {
  readonly name: string
  readonly address: string
  readonly api: SwarmApi
  readonly #socket: string
  readonly #host: LanHost
  readonly #dir: string
  /** Keeps host name and mounts while the engine comes and goes. */
  #holder: ChildProcess | null = null
  #daemon: ChildProcess | null = null

  constructor({ name, address, host, dir }: EngineOptions) {
    this.name = name
    this.address = address
    this.#socket = join(dir, 'docker.sock')
    this.api = new SwarmApi(this.#socket)
    this.#host = host
    this.#dir = dir
  }

  async start(): Promise<void> {
    mkdirSync(this.#dir, { recursive: true })
    // Networks of a swarm put their state there, whatever --exec-root says.
    mkdirSync('/var/run/docker', { recursive: true })
    if (this.#holder === null) await this.#hold()
    await this.#run()
    importBusybox({ dir: this.#dir, socket: this.#socket, tag: 'busybox:latest' })
  }

  /** As a power cut would end it, for the others; its containers are ended too. */
  async kill(): Promise<void> {
    if (this.#daemon !== null) await endProcess(this.#daemon, 'SIGKILL')
    // Before containerd, which writes down that they are gone: else the next one looks for them.
    endShims(this.#dir)
    await sleep(500)
    await this.#end('SIGKILL')
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
    endShims(this.#dir)
    if (this.#holder !== null) await endProcess(this.#holder, 'SIGKILL')
    this.#holder = null
  }

  async #hold(): Promise<void> {
    const { prefix } = this.#host
    const script = `mount -t tmpfs tmpfs /var/run/docker && busybox hostname ${this.name} && echo held && exec busybox sleep 3600`
    const words = [...prefix, 'unshare', '--mount', '--uts', 'sh', '-c', script]
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
    const dir = this.#dir
    const log = openSync(join(dir, 'dockerd.log'), 'a')
    rmSync(join(dir, 'docker.pid'), { force: true })
    const inside = ['--target', String(this.#holder?.pid), '--mount', '--uts', '--net']
    const flags = [
      `--host=unix://${this.#socket}`,
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'docker.pid')}`,
      '--bridge=none',
      '--ip-forward=false',
      '--userland-proxy=false',
    ]
    this.#daemon = spawn('nsenter', [...inside, 'dockerd', ...flags], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    await whenReady(this.#daemon, this.#socket, dir)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#daemon !== null) await endProcess(this.#daemon, signal)
    this.#daemon = null
    endByPidFile(join(this.#dir, 'exec/containerd/containerd.pid'))
  }
}
