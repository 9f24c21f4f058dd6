import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeshClient } from '../../src/client/mesh-client.ts'
import { Cluster, isUp, sleep, type Daemon } from './daemon.ts'
import { get, getOver } from './http.ts'
import { LanEngine } from './lan-engine.ts'
import { NamespaceSockets } from './namespace-sockets.ts'
import { Lan } from './namespaces.ts'

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

/** Three machines, all managers, and somebody outside who comes to their ports. */
export class EngineStage implements AsyncDisposable {
  readonly machines: readonly [Machine, Machine, Machine]
  /** Image and words of a task that answers visitors on port 80. */
  readonly web: readonly string[]
  readonly #visit: Web['visit']
  readonly #scope: AsyncDisposableStack

  private constructor(machines: readonly Machine[], web: Web, scope: AsyncDisposableStack) {
    this.machines = machines as [Machine, Machine, Machine]
    this.web = web.words
    this.#visit = web.visit
    this.#scope = scope
  }

  /** On one loopback block, with the `process` runtime. */
  static async ofProcesses(block: string): Promise<EngineStage> {
    await using scope = new AsyncDisposableStack()
    const cluster = scope.use(new Cluster(block))
    const daemons = await cluster.startManagers(3)
    const machines = daemons.map((daemon) => ({ ...named(daemon), engine: null }))
    return new EngineStage(machines, whoami, scope.move())
  }

  /**
   * Each in a network namespace with an engine of its own. `net` such as `198.18.80`: the machines
   * get .1, .2 and .3 there; `bridges` are the networks of their containers.
   */
  static async ofEngines(net: string, bridges: readonly string[]): Promise<EngineStage> {
    await using scope = new AsyncDisposableStack()
    const addresses = [1, 2, 3, 4].map((number) => `${net}.${number}`)
    const dir = mkdtempSync(join(tmpdir(), 'eng-'))
    scope.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
    const lan = scope.use(
      new Lan(
        'engines',
        addresses.map((address) => [address]),
      ),
    )
    const [outside, ...hosts] = lan.hosts.toReversed()
    assert.ok(outside)
    const engines = hosts.toReversed().map((host, at) => {
      const name = `n${at + 1}`
      const flags = [`--bip=${bridges[at]}`, '--live-restore']
      return new LanEngine({ name, host, dir: join(dir, name), flags })
    })
    scope.defer(async () => void (await Promise.all(engines.map((engine) => engine.stop()))))
    await Promise.all(engines.map((engine) => engine.start()))
    const cluster = scope.use(new Cluster(net, { runtime: 'docker' }))
    const machines: Machine[] = []
    for (const engine of engines) {
      const { prefix } = engine.host
      const daemon = await cluster.startNode('manager', { prefix, dockerSocket: engine.socket })
      machines.push({ ...named(daemon), engine })
    }
    const sockets = scope.use(new NamespaceSockets(outside.prefix))
    const from = addresses[3] as string
    const visit = async (host: string, port: number): Promise<Visit> => {
      const socket = await sockets.connect({ from, host, port })
      const { status, body } = await getOver(socket, {}, answerLimitMs)
      return { status, by: body.trim() }
    }
    // Much lighter than whoami, three of whose images would have to be made.
    const script = 'hostname >/tmp/index.html && exec httpd -f -p 80 -h /tmp'
    const words = ['busybox', 'sh', '-c', script]
    return new EngineStage(machines, { words, visit }, scope.move())
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
    return this.#visit(machine.daemon.address, port)
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

  /** Ids of the service's containers that run there, as the engine itself lists them; sorted. */
  async containers({ engine }: Machine, service: string): Promise<string[]> {
    assert.ok(engine)
    const filter = `label=com.docker.swarm.service.name=${service}`
    const ids = await engine.docker('ps', '-q', '--no-trunc', '--filter', filter)
    return ids
      .split('\n')
      .filter((id) => id !== '')
      .toSorted()
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

const named = (daemon: Daemon): Pick<Machine, 'name' | 'daemon'> => ({
  name: daemon.options.name,
  daemon,
})
