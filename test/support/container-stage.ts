import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, type Daemon, eventually, type Output, runProgram } from './daemon.ts'
import { type DockerEngineHandle, startDockerEngine } from './docker-engine.ts'
import { runningTasks } from './meshctl.ts'
import type { Registry } from './registry.ts'

export interface ContainerStageOptions {
  /** Names the engine. */
  readonly name: string
  /** Loopback block of its nodes. */
  readonly block: string
  /** Where one node shows enough. */
  readonly isAlone?: boolean
  /** Registries that docker's client is logged in to. */
  readonly logins?: readonly { readonly registry: Registry; readonly auth: string }[]
}

export interface InspectedContainer {
  readonly Config: Readonly<Record<string, unknown>>
  readonly HostConfig: Readonly<Record<string, unknown>>
  readonly State: { readonly Running: boolean; readonly StartedAt: string }
}

export interface InspectedTask {
  readonly Status: {
    readonly State: string
    readonly Message?: string
    readonly Err?: string
    readonly PortStatus?: { readonly Ports?: readonly { readonly PublishedPort?: number }[] }
  }
}

/** A manager and a worker on one real engine, with docker's client to talk to them. */
export class ContainerStage {
  readonly dir: string
  readonly engine: DockerEngineHandle
  readonly cluster: Cluster
  readonly node: Daemon
  /** The worker; the manager again where that is alone. */
  readonly other: Daemon
  readonly dockerConfig: string

  private constructor(
    parts: Pick<ContainerStage, 'dir' | 'engine' | 'cluster' | 'node' | 'other'>,
  ) {
    this.dir = parts.dir
    this.engine = parts.engine
    this.cluster = parts.cluster
    this.node = parts.node
    this.other = parts.other
    this.dockerConfig = configIn(parts.dir)
  }

  static async open(options: ContainerStageOptions): Promise<ContainerStage> {
    const { name, block, isAlone = false, logins = [] } = options
    const dir = mkdtempSync(join(tmpdir(), 'mco-'))
    const auths = Object.fromEntries(logins.map(({ registry, auth }) => [registry.host, { auth }]))
    mkdirSync(configIn(dir))
    writeFileSync(join(configIn(dir), 'config.json'), JSON.stringify({ auths }))
    const engine = await startDockerEngine({ name, dir: join(dir, 'e') })
    const cluster = new Cluster(block, { runtime: 'docker', dockerSocket: engine.socket })
    try {
      await engine.importBusyboxImage('busybox:latest')
      const node = await cluster.startNode('manager')
      const other = isAlone ? node : await cluster.startNode('worker')
      return new ContainerStage({ dir, engine, cluster, node, other })
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      await engine.stop()
      rmSync(dir, { recursive: true, force: true })
      throw error
    }
  }

  async close(): Promise<void> {
    await this.cluster[Symbol.asyncDispose]()
    await this.engine.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Docker's client on the manager; its failure is part of the answer. */
  cli(...words: string[]): Promise<Output> {
    const { dockerConfig, node } = this
    const socket = `unix://${node.socketPath}`
    return runProgram('docker', ['--config', dockerConfig, '-H', socket, ...words])
  }

  async docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...words)
    assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
    return stdout.trim()
  }

  /** Ours, with the same login. */
  meshctl(...words: string[]): Promise<Output> {
    const env = { DOCKER_CONFIG: this.dockerConfig }
    const program = join(import.meta.dirname, '../../bin/meshctl')
    return runProgram(program, ['-H', `unix://${this.node.socketPath}`, ...words], { env })
  }

  /** Without asking registries of the world, which tests cannot reach. */
  create(name: string, ...words: string[]): Promise<string> {
    return this.createPinned(name, '--no-resolve-image', ...words)
  }

  createPinned(name: string, ...words: string[]): Promise<string> {
    const flags = ['-qd', '--stop-grace-period', '1s', '--name', name]
    return this.docker('service', 'create', ...flags, ...words)
  }

  /** Our tasks' containers as the engine itself lists them. */
  containers(service: string, ...flags: string[]): string[] {
    const filter = `label=com.docker.swarm.service.name=${service}`
    const ids = this.engine.docker('ps', '-q', '--no-trunc', '--filter', filter, ...flags)
    return ids.split('\n').filter((id) => id !== '')
  }

  inspect(container: string): InspectedContainer {
    return (JSON.parse(this.engine.docker('inspect', container)) as [InspectedContainer])[0]
  }

  runs(service: string, count = 1): Promise<void> {
    return eventually(`${service} runs`, 60_000, async () => {
      if ((await runningTasks(this.node, service)) !== count) {
        throw new Error(JSON.stringify((await this.tasks(service)).map(({ Status }) => Status)))
      }
      return this.containers(service).length === count
    })
  }

  async tasks(service: string): Promise<InspectedTask[]> {
    const ids = await this.docker('service', 'ps', '-q', '--no-trunc', service)
    const shown = await this.docker('inspect', '--type', 'task', ...ids.split('\n'))
    return JSON.parse(shown) as InspectedTask[]
  }

  taskWith(service: string, pattern: RegExp): Promise<void> {
    return eventually(`a task of ${service} says ${pattern}`, 60_000, async () => {
      const words = (await this.tasks(service)).map(({ Status }) =>
        [Status.State, Status.Message, Status.Err].join(' | '),
      )
      if (words.some((word) => pattern.test(word))) return true
      throw new Error(words.join('\n'))
    })
  }

  /** The container of a service that runs one. */
  async only(service: string): Promise<string> {
    await this.runs(service)
    const [id, ...more] = this.containers(service)
    assert.ok(id !== undefined && more.length === 0)
    return id
  }

  async gone(...services: string[]): Promise<void> {
    await this.docker('service', 'rm', ...services)
    await eventually(`nothing of ${services.join(', ')} is left`, 60_000, () => {
      return services.every((service) => this.containers(service, '-a').length === 0)
    })
  }
}

const configIn = (dir: string): string => join(dir, 'config')
