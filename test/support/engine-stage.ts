import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeshClient } from '../../src/client/mesh-client.ts'
import { Cluster, isUp, sleep, type Daemon } from './daemon.ts'
import { get, getOver } from './http.ts'
import { LanEngine } from './lan-engine.ts'
import { NamespaceSockets } from './namespace-sockets.ts'
import { Lan, type LanHost } from './namespaces.ts'
import { Registries } from './registry.ts'
import { SwarmApi } from './swarm-api.ts'

/** A machine of the stage: its `meshd`, and its engine when it has one. */
export interface Machine {
  readonly name: string
  readonly daemon: Daemon
  readonly engine: LanEngine | null
}

/** What a task serves there, and how it says who it is. */
interface Web {
  readonly words: readonly string[]
  readonly visit: (address: string, port: number) => Promise<Visit>
}

export interface Visit {
  readonly status: number
  /** Which task has answered. */
  readonly by: string
}

const pauseMs = 20
const answerLimitMs = 5000

interface StageParts {
  readonly machines: readonly Machine[]
  readonly web: Web
  readonly dir: string
  readonly registries: Registries | null
  readonly kept: readonly string[]
}

/** Three machines, all managers, and somebody outside who comes to their ports. */
export class EngineStage implements AsyncDisposable {
  readonly machines: readonly [Machine, Machine, Machine]
  /** Image and words of a task that answers visitors on port 80. */
  readonly web: readonly string[]
  /** A folder for whatever stories need. */
  readonly dir: string
  readonly #parts: StageParts
  readonly #scope: AsyncDisposableStack

  private constructor(parts: StageParts, scope: AsyncDisposableStack) {
    this.machines = parts.machines as readonly [Machine, Machine, Machine]
    this.web = parts.web.words
    this.dir = parts.dir
    this.#parts = parts
    this.#scope = scope
  }

  /** On one loopback block, with the `process` runtime. */
  static async ofProcesses(block: string): Promise<EngineStage> {
    await using scope = new AsyncDisposableStack()
    const cluster = scope.use(new Cluster(block))
    const daemons = await cluster.startManagers(3)
    const machines = daemons.map((daemon) => ({ ...named(daemon), engine: null }))
    const parts = { machines, web: whoami, dir: cluster.dir, registries: null, kept: [] }
    return new EngineStage(parts, scope.move())
  }

  /**
   * Each in a network namespace with an engine of its own. `net` such as `198.18.80`: the machines
   * get .1, .2 and .3 there; `bridges` are the networks of their containers. Registries are outside.
   */
  static async ofEngines(net: string, bridges: readonly string[]): Promise<EngineStage> {
    await using scope = new AsyncDisposableStack()
    const addresses = [1, 2, 3, 4].map((number) => `${net}.${number}`)
    const outsideAddress = addresses[3] as string
    const dir = mkdtempSync(join(tmpdir(), 'eng-'))
    scope.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
    const hostsAt = addresses.map((address) => [address])
    const lan = scope.use(new Lan('engines', hostsAt))
    const outside = lan.hosts[3] as LanHost
    const registries = scope.use(new Registries({ on: outside, address: outsideAddress, dir }))
    const engines = lan.hosts.slice(0, 3).map((host, at) => {
      const name = `n${at + 1}`
      // Without forwarding, ports in host mode would answer only on the machine itself.
      const flags = [`--bip=${bridges[at]}`, '--live-restore', '--ip-forward=true']
      flags.push(`--insecure-registry=${net}.0/24`)
      return new LanEngine({ name, host, dir: join(dir, name), flags })
    })
    scope.defer(async () => void (await Promise.all(engines.map((engine) => engine.stop()))))
    await Promise.all([registries.start(), ...engines.map((engine) => engine.start())])
    await engines[0]?.docker('run', '-d', '--name', 'bystander', 'busybox', 'sleep', '3600')
    const kept = await Promise.all(engines.map(contentsOf))
    const { logins: clientConfig } = registries
    const cluster = scope.use(new Cluster(net, { runtime: 'docker', clientConfig }))
    const machines: Machine[] = []
    for (const engine of engines) {
      const { prefix } = engine.host
      const daemon = await cluster.startNode('manager', { prefix, dockerSocket: engine.socket })
      machines.push({ ...named(daemon), engine })
    }
    const sockets = scope.use(new NamespaceSockets(outside.prefix))
    const web = busyboxWeb(sockets, outsideAddress)
    return new EngineStage({ machines, web, dir, registries, kept }, scope.move())
  }

  /** Those outside of machines with engines. */
  get registries(): Registries {
    assert.ok(this.#parts.registries)
    return this.#parts.registries
  }

  /** Nothing is on any engine but what was there before its `meshd`: no container, volume, network. */
  async assertNothingLeft(): Promise<void> {
    const engines = this.machines.map(({ engine }) => engine)
    const now = engines.map((engine) => (engine === null ? [] : [contentsOf(engine)]))
    assert.deepEqual(await Promise.all(now.flat()), this.#parts.kept)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.disposeAsync()
  }

  /** What a manager answers, without a program for every question. */
  async ask<T>({ daemon }: Machine, question: (client: MeshClient) => Promise<T>): Promise<T> {
    using client = new MeshClient({ kind: 'unix', path: daemon.socketPath })
    return await question(client)
  }

  /** From outside, on a connection of its own. */
  visit(machine: Machine, port: number): Promise<Visit> {
    return this.#parts.web.visit(machine.daemon.address, port)
  }

  /** Ends the machine, its containers too, without a word. */
  async cutPower({ daemon, engine }: Machine): Promise<void> {
    await Promise.all([daemon.killNode(), engine?.kill()])
  }

  async powerOn({ daemon, engine }: Machine): Promise<void> {
    await engine?.restart()
    daemon.start()
    await isUp(daemon)
  }

  /** Ids of the service's containers there, as the engine itself lists them; sorted. */
  async containers({ engine }: Machine, service: string, which: Which = 'running') {
    assert.ok(engine)
    const label = [`com.docker.swarm.service.name=${service}`]
    const filters = encodeURIComponent(JSON.stringify({ label }))
    const query = `all=${which === 'all'}&filters=${filters}`
    const said = await new SwarmApi(engine.socket).call('GET', `/containers/json?${query}`)
    return (JSON.parse(said) as { readonly Id: string }[]).map(({ Id }) => Id).toSorted()
  }

  /**
   * Visitors come to these machines all the time while something happens; they never try twice.
   * Answers with those who were not served.
   */
  async amongVisitors(
    port: number,
    machines: readonly Machine[],
    happens: () => Promise<void>,
  ): Promise<readonly Unserved[]> {
    const startedMs = performance.now()
    const unserved: Unserved[] = []
    let isOver = false
    let served = 0
    const visitor = async (machine: Machine): Promise<void> => {
      while (!isOver) {
        const atMs = performance.now() - startedMs
        try {
          const { status } = await this.visit(machine, port)
          assert.equal(status, 200)
          served++
        } catch (error) {
          unserved.push({ atMs, by: machine.name, because: String(error) })
        }
        await sleep(pauseMs)
      }
    }
    const visitors = Promise.all(machines.map(visitor))
    try {
      await happens()
    } finally {
      isOver = true
      await visitors
    }
    assert.ok(served > 10, `only ${served} visitors were served`)
    return unserved
  }
}

/** Much lighter than whoami, three of whose images would have to be made. */
const busyboxWeb = (sockets: NamespaceSockets, from: string): Web => ({
  words: ['busybox', 'sh', '-c', 'hostname >/tmp/index.html && exec httpd -f -p 80 -h /tmp'],
  async visit(host, port) {
    const socket = await sockets.connect({ from, host, port })
    const { status, body } = await getOver(socket, {}, answerLimitMs)
    return { status, by: body.trim() }
  },
})

const whoami: Web = {
  words: ['meshd/whoami'],
  async visit(address, port) {
    const { status, facts } = await get(`http://${address}:${port}/`, answerLimitMs)
    return { status, by: facts['task'] ?? '' }
  },
}

export interface Unserved {
  readonly atMs: number
  readonly by: string
  readonly because: string
}

/** Of the daemon's data that outlives a container; stopped ones too. */
const contentsOf = async (engine: LanEngine): Promise<string> =>
  [
    await engine.docker('ps', '-a', '--format', '{{.Names}} {{.State}}'),
    await engine.docker('volume', 'ls', '-q'),
    // By name: the engine makes its own bridge anew whenever it starts.
    await engine.docker('network', 'ls', '--format', '{{.Name}}'),
  ].join('\n')

/** Stopped ones and those never started, too, when it is `all`. */
type Which = 'running' | 'all'

const named = (daemon: Daemon): Pick<Machine, 'name' | 'daemon'> => ({
  name: daemon.options.name,
  daemon,
})
