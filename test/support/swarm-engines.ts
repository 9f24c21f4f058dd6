import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dockerUnavailable } from './docker-engine.ts'
import { LanEngine } from './lan-engine.ts'
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

export class SwarmEngine extends LanEngine {
  readonly address: string
  readonly api: SwarmApi

  constructor({ address, ...options }: EngineOptions) {
    super({ ...options, flags: ['--bridge=none'] })
    this.address = address
    this.api = new SwarmApi(this.socket)
  }
}
