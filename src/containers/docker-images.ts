import type Docker from 'dockerode'
import type { Log } from '../../mesh/base/log.ts'
import { isWhoami } from './builtin-image.ts'
import type { DockerCalls } from './docker-calls.ts'
import { becauseOf, engineFault, isUnreachable } from './engine-fault.ts'
import { readJsonLines } from './json-lines.ts'
import { buildWhoamiImage, isWhoamiCurrent } from './whoami-image.ts'

const transferTimeoutMs = 10 * 60_000

/** Sees to it that an image is there before a container is made from it. */
export class DockerImages {
  readonly #docker: Docker
  readonly #calls: DockerCalls
  readonly #log: Log
  /** By image: two tasks that want the same one wait for one transfer. */
  readonly #transfers = new Map<string, Promise<void>>()

  constructor(docker: Docker, calls: DockerCalls, log: Log) {
    this.#docker = docker
    this.#calls = calls
    this.#log = log
  }

  ensure(image: string): Promise<void> {
    const running = this.#transfers.get(image)
    if (running !== undefined) return running
    const transfer = this.#fetch(image).finally(() => this.#transfers.delete(image))
    this.#transfers.set(image, transfer)
    return transfer
  }

  async #fetch(image: string): Promise<void> {
    const found = await this.#calls.find(() => this.#docker.getImage(image).inspect())
    if (!isWhoami(image)) return found === null ? this.#pull(image) : undefined
    if (found !== null && isWhoamiCurrent(found.Config.Labels ?? {})) return
    this.#log.info({ image }, 'building the built-in image')
    await this.#transfer((signal) => buildWhoamiImage(this.#docker, signal))
  }

  async #pull(image: string): Promise<void> {
    this.#log.info({ image }, 'pulling')
    try {
      await this.#transfer((abortSignal) =>
        this.#docker.createImage({ fromImage: withTag(image), abortSignal }),
      )
    } catch (error) {
      if (isUnreachable(error)) throw error
      const because = `no such image: ${image}, and it cannot be pulled: ${becauseOf(error)}`
      throw engineFault('engine/image-missing', because, error)
    }
  }

  /** Follows the progress to its end: Docker says 200 first, and in it what went wrong. */
  #transfer(begin: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>): Promise<void> {
    return this.#calls.run(async (signal) => {
      const progress = await begin(signal)
      for await (const line of readJsonLines(progress as AsyncIterable<Buffer>)) {
        if (typeof line['error'] === 'string') throw engineFault('engine/refused', line['error'])
      }
    }, transferTimeoutMs)
  }
}

/** Without a tag Docker would pull all of them. */
export function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1)
  return name.includes(':') || name.includes('@') ? image : `${image}:latest`
}
