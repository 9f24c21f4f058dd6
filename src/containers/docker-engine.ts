import Docker, { type ContainerInspectInfo } from 'dockerode'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type {
  ContainerEngine,
  ContainerHandle,
  ContainerRequest,
  ContainerState,
  CreateWatch,
  EngineDescription,
} from './container-engine.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'
import { DockerCalls } from './docker-calls.ts'
import { DockerEvents } from './docker-events.ts'
import { DockerImages } from './docker-images.ts'
import { openDockerLog } from './docker-log.ts'
import {
  isOwn,
  lastLineOfLog,
  type Owner,
  ownerFilter,
  ownerLabels,
  stateOf,
} from './docker-state.ts'
import { apiNeeds, minorOf } from './docker-api-needs.ts'
import { createOptions } from './docker-create.ts'
import { engineFault, isUnreachable } from './engine-fault.ts'
import { lastLineOf } from './last-line.ts'

export interface DockerEngineOptions extends Owner {
  readonly socketPath: string
  /** Where host-mode ports are bound; empty for all addresses. */
  readonly hostAddress?: string
}

export interface DockerEngineDeps {
  readonly clock: Clock
  readonly log: Log
}

/** What Docker may take to end a container, beyond the grace that it was given. */
const stopMarginMs = 15_000
const createTimeoutMs = 60_000
/** It is asked for this all the time: how soon everybody knows that it hangs. */
const describeTimeoutMs = 5_000
/** Docker may write down what both streams said in another order than it was said. */
const lastLines = 5
/** Inspections at a time when all containers are listed. */
const listWidth = 8

const unwatched: CreateWatch = { progress: () => {}, signal: new AbortController().signal }

/**
 * Docker Engine from 20.10 (API 1.41) on. It sees and touches only containers that carry the labels
 * of its cluster and node; they outlive the daemon, Docker itself never restarts them.
 */
export class DockerEngine implements ContainerEngine {
  readonly kind = 'docker'
  readonly #owner: Owner
  readonly #hostAddress: string
  readonly #nowMs: () => number
  readonly #docker: Docker
  readonly #calls: DockerCalls
  readonly #images: DockerImages
  readonly #events: DockerEvents
  readonly #listeners = new Set<(id: string) => void>()
  /** Ids to look at again when events may have been missed. */
  readonly #known = new Set<string>()

  constructor(
    { socketPath, hostAddress = '', cluster, node }: DockerEngineOptions,
    { clock, log }: DockerEngineDeps,
  ) {
    this.#owner = { cluster, node }
    this.#hostAddress = hostAddress
    this.#nowMs = () => clock.nowMs()
    this.#docker = new Docker({ socketPath })
    this.#calls = new DockerCalls(clock)
    this.#images = new DockerImages(this.#docker, this.#calls, { clock, log })
    this.#events = new DockerEvents({
      docker: this.#docker,
      labels: ownerFilter(this.#owner),
      clock,
      log,
      happened: (id) => this.#notify(id),
      resumed: () => {
        for (const id of this.#known) this.#notify(id)
      },
    })
  }

  async describe(): Promise<EngineDescription> {
    const info = (await this.#calls.run(() => this.#docker.info(), describeTimeoutMs)) as EngineInfo
    return {
      version: info.ServerVersion,
      architecture: info.Architecture,
      os: info.OSType,
      nanoCpus: info.NCPU * 1e9,
      memoryBytes: info.MemTotal,
      labels: Object.fromEntries((info.Labels ?? []).map(splitLabel)),
    }
  }

  async create(
    request: ContainerRequest,
    watch: CreateWatch = unwatched,
  ): Promise<ContainerHandle> {
    const existing = await this.#ofTask(request)
    if (existing !== null) return existing
    await this.#mustKnow(request)
    await this.#images.ensure(request, watch)
    try {
      const labels = ownerLabels(this.#owner, request)
      const options = createOptions(request, { labels, hostAddress: this.#hostAddress })
      const container = await this.#calls.run(
        (abortSignal) => this.#docker.createContainer({ ...options, abortSignal }),
        createTimeoutMs,
      )
      this.#known.add(container.id)
      return { id: container.id }
    } catch (error) {
      // An earlier call, which we had given up, got through after all.
      const made = isUnreachable(error) ? null : await this.#ofTask(request)
      if (made !== null) return made
      throw error
    }
  }

  async start(id: string): Promise<void> {
    await this.#own(id)
    await this.#calls.run((abortSignal) => this.#docker.getContainer(id).start({ abortSignal }))
  }

  async stop(
    id: string,
    { signal, graceMs }: { readonly signal: string | null; readonly graceMs: number },
  ): Promise<void> {
    const info = await this.#find(id)
    if (info === null || !info.State.Running) return
    if (signal === null) return this.#stopByDefault(id, graceMs)
    // Before API 1.42 Docker's own stop takes no signal.
    await this.#kill(id, signal)
    if (await this.#hasEndedWithin(id, graceMs)) return
    await this.#kill(id, 'SIGKILL')
    if (await this.#hasEndedWithin(id, stopMarginMs)) return
    throw engineFault('engine/refused', 'the container survived SIGKILL')
  }

  async remove(id: string): Promise<void> {
    if ((await this.#find(id)) !== null) {
      await this.#calls.find((abortSignal) =>
        this.#docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
      )
    }
    this.#known.delete(id)
  }

  async inspect(id: string): Promise<ContainerState | null> {
    const info = await this.#find(id)
    if (info === null) return null
    const hasFailed = info.State.Status === 'exited' && info.State.ExitCode !== 0
    return stateOf(info, hasFailed ? await this.#lastLine(id, info.Config.Tty) : null)
  }

  async list(): Promise<readonly ContainerState[]> {
    const filters = { label: ownerFilter(this.#owner) }
    const found = await this.#calls.run((abortSignal) =>
      this.#docker.listContainers({ all: true, filters, abortSignal }),
    )
    const states: ContainerState[] = []
    for (let at = 0; at < found.length; at += listWidth) {
      const some = found.slice(at, at + listWidth).map(({ Id }) => this.#find(Id))
      for (const info of await Promise.all(some))
        if (info !== null) states.push(stateOf(info, null))
    }
    for (const { id } of states) this.#known.add(id)
    return states
  }

  async *logs(taskId: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const openedAt = new Date(this.#nowMs()).toISOString().replace('Z', '000000Z')
    const filters = { label: [...ownerFilter(this.#owner), `mesh.task=${taskId}`] }
    const [found] = await this.#calls.run((abortSignal) =>
      this.#docker.listContainers({ all: true, filters, abortSignal }),
    )
    const info = found === undefined ? null : await this.#find(found.Id)
    if (info === null || info.State.Status === 'created') return
    const container = this.#docker.getContainer(info.Id)
    const source = { container, isTerminal: info.Config.Tty, calls: this.#calls, signal, openedAt }
    yield* openDockerLog(source, query)
  }

  watch(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Containers live on. */
  close(): Promise<void> {
    this.#listeners.clear()
    this.#events.close()
    return Promise.resolve()
  }

  #notify(id: string): void {
    for (const listener of this.#listeners) listener(id)
  }

  /** Null when there is none, or when it is not ours: what is not ours does not exist for us. */
  async #find(idOrName: string): Promise<ContainerInspectInfo | null> {
    const info = await this.#calls.find((abortSignal) =>
      this.#docker.getContainer(idOrName).inspect({ abortSignal }),
    )
    return info !== null && isOwn(info, this.#owner) ? info : null
  }

  async #own(id: string): Promise<ContainerInspectInfo> {
    const info = await this.#find(id)
    if (info === null) throw engineFault('engine/no-such-container', `no such container: ${id}`)
    return info
  }

  /** What it would ignore, we refuse by name. */
  async #mustKnow({ settings }: ContainerRequest): Promise<void> {
    const needs = apiNeeds(settings)
    if (needs.length === 0) return
    const { Version, ApiVersion } = await this.#calls.run(() => this.#docker.version())
    const missing = needs.find(({ minor }) => minor > minorOf(ApiVersion))
    if (missing === undefined) return
    const because = `Docker ${Version} with its API ${ApiVersion} would ignore it`
    const { field, minor } = missing
    throw engineFault('engine/refused', `${field} needs Docker's API 1.${minor}: ${because}`)
  }

  async #ofTask({ name, taskId }: ContainerRequest): Promise<ContainerHandle | null> {
    const info = await this.#find(name)
    if (info === null || info.Config.Labels['mesh.task'] !== taskId) return null
    this.#known.add(info.Id)
    return { id: info.Id }
  }

  async #stopByDefault(id: string, graceMs: number): Promise<void> {
    const t = Math.ceil(graceMs / 1000)
    await this.#calls.find(
      (abortSignal) => this.#docker.getContainer(id).stop({ t, abortSignal }),
      graceMs + stopMarginMs,
    )
  }

  /** Fine when it has ended meanwhile. */
  async #kill(id: string, signal: string): Promise<void> {
    try {
      await this.#calls.find((abortSignal) =>
        this.#docker.getContainer(id).kill({ signal, abortSignal }),
      )
    } catch (error) {
      if (isUnreachable(error) || (await this.#find(id))?.State.Running === true) throw error
    }
  }

  async #hasEndedWithin(id: string, withinMs: number): Promise<boolean> {
    try {
      await this.#calls.find((abortSignal) => {
        return this.#docker.getContainer(id).wait({ condition: 'not-running', abortSignal })
      }, withinMs)
      return true
    } catch (error) {
      if (!isUnreachable(error)) throw error
      // Docker did not answer in time because it waits, or because it is gone: this call will tell.
      return (await this.#find(id))?.State.Running !== true
    }
  }

  /** Not every log driver can be read; then there is nothing to tell. */
  async #lastLine(id: string, hasTty: boolean): Promise<string | null> {
    try {
      const options = { stdout: true, stderr: true, tail: lastLines, follow: false } as const
      const log = await this.#calls.run((abortSignal) =>
        this.#docker.getContainer(id).logs({ ...options, abortSignal }),
      )
      return hasTty ? lastLineOf(log.toString('utf8')) : lastLineOfLog(log)
    } catch (error) {
      if (isUnreachable(error)) throw error
      return null
    }
  }
}

interface EngineInfo {
  readonly ServerVersion: string
  readonly Architecture: string
  readonly OSType: string
  readonly NCPU: number
  readonly MemTotal: number
  readonly Labels: readonly string[] | null
}

function splitLabel(label: string): [string, string] {
  const at = label.indexOf('=')
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)]
}
