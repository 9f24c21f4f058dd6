import type Docker from 'dockerode'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import { isWhoami } from './builtin-image.ts'
import type { CreateWatch } from './container-engine.ts'
import type { DockerCalls } from './docker-calls.ts'
import { becauseOf, engineFault, isUnreachable } from './engine-fault.ts'
import { readJsonLines } from './json-lines.ts'
import { PullProgress } from './pull-progress.ts'
import { Silence } from './silence.ts'
import { buildWhoamiImage, isWhoamiCurrent } from './whoami-image.ts'

/** However well it goes. */
const transferTimeoutMs = 30 * 60_000
/** An engine that gets anything from a registry, or unpacks it, says so all the time. */
const silenceLimitMs = 3 * 60_000

export interface ImageWish {
  readonly image: string
  readonly registryAuth: string | null
}

interface Transfer {
  readonly done: Promise<void>
  readonly controller: AbortController
  readonly watchers: Set<CreateWatch>
}

/** Sees to it that an image is there before a container is made from it. */
export class DockerImages {
  readonly #docker: Docker
  readonly #calls: DockerCalls
  readonly #clock: Clock
  readonly #log: Log
  /** Two tasks that want the same image with the same rights wait for one transfer. */
  readonly #transfers = new Map<string, Transfer>()

  constructor(docker: Docker, calls: DockerCalls, { clock, log }: { clock: Clock; log: Log }) {
    this.#docker = docker
    this.#calls = calls
    this.#clock = clock
    this.#log = log
  }

  /** An image that is here is used as it is: no registry is asked. */
  async ensure(wish: ImageWish, watch: CreateWatch): Promise<void> {
    const transfer = this.#join(wish)
    transfer.watchers.add(watch)
    const leave = (): void => {
      transfer.watchers.delete(watch)
      if (transfer.watchers.size === 0) transfer.controller.abort()
    }
    const { promise: unwanted, reject } = Promise.withResolvers<never>()
    const giveUp = (): void => reject(engineFault('engine/refused', 'not wanted any more'))
    watch.signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (watch.signal.aborted) giveUp()
      await Promise.race([transfer.done, unwanted])
    } finally {
      watch.signal.removeEventListener('abort', giveUp)
      leave()
    }
  }

  #join(wish: ImageWish): Transfer {
    const key = `${wish.image} ${wish.registryAuth ?? ''}`
    const running = this.#transfers.get(key)
    if (running !== undefined && !running.controller.signal.aborted) return running
    const controller = new AbortController()
    const watchers = new Set<CreateWatch>()
    const tell = (text: string): void => {
      for (const { progress } of watchers) progress(text)
    }
    const done = this.#fetch(wish, { signal: controller.signal, progress: tell })
    const transfer = { done, controller, watchers }
    this.#transfers.set(key, transfer)
    const forget = (): void => {
      if (this.#transfers.get(key) === transfer) this.#transfers.delete(key)
    }
    // Whoever waits hears of the failure; when nobody does any more, nobody needs to.
    done.then(forget, forget)
    return transfer
  }

  async #fetch(wish: ImageWish, watch: CreateWatch): Promise<void> {
    const { image } = wish
    const found = await this.#calls.find(() => this.#docker.getImage(image).inspect())
    if (!isWhoami(image)) return found === null ? this.#pull(wish, watch) : undefined
    if (found !== null && isWhoamiCurrent(found.Config.Labels ?? {})) return
    this.#log.info({ image }, 'building the built-in image')
    await this.#transfer((signal) => buildWhoamiImage(this.#docker, signal), {
      ...watch,
      progress: () => watch.progress('building the built-in image'),
      image,
    })
  }

  async #pull({ image, registryAuth }: ImageWish, watch: CreateWatch): Promise<void> {
    this.#log.info({ image }, 'pulling')
    try {
      await this.#transfer(
        (abortSignal) =>
          this.#docker.createImage({
            fromImage: withTag(image),
            ...(registryAuth !== null && { authconfig: { base64: registryAuth } }),
            abortSignal,
          }),
        { ...watch, image },
      )
    } catch (error) {
      if (isUnreachable(error)) throw error
      const said = becauseOf(error)
      const because = `No such image: ${image}, and it cannot be pulled: ${said}`
      const code = isFinal(said) ? 'engine/image-missing' : 'engine/registry-silent'
      throw engineFault(code, because, error)
    }
  }

  /**
   * Follows the progress to its end: Docker says 200 first, and in it what went wrong. Whoever is
   * late here is the registry: the engine is not to blame.
   */
  async #transfer(
    begin: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
    { signal: unwanted, progress, image }: CreateWatch & { readonly image: string },
  ): Promise<void> {
    const sums = new PullProgress(image)
    const late = new AbortController()
    const isLate = (because: string): void =>
      late.abort(engineFault('engine/registry-silent', because))
    using silence = new Silence({
      clock: this.#clock,
      limitMs: silenceLimitMs,
      goesOn: (seconds) => progress(`${sums.text}: no word for ${seconds} s`),
      tooLong: (seconds) => isLate(`no word for ${seconds} s`),
    })
    const endLimit = this.#clock.after(transferTimeoutMs, () =>
      isLate(`not done after ${transferTimeoutMs / 60_000} minutes`),
    )
    try {
      await this.#calls.until(late.signal, async (signal) => {
        const stream = await begin(AbortSignal.any([signal, unwanted]))
        for await (const line of readJsonLines(stream as AsyncIterable<Buffer>)) {
          silence.heard()
          if (typeof line['error'] === 'string') throw engineFault('engine/refused', line['error'])
          sums.add(line)
          progress(sums.text)
        }
      })
    } finally {
      endLimit()
    }
  }
}

/** The registry answered, and another question would get the same answer. */
const isFinal = (said: string): boolean =>
  /manifest unknown|manifest for .* not found|not found: |does not exist|denied|unauthorized|no basic auth|invalid reference|no matching manifest|name unknown/i.test(
    said,
  )

/** Without a tag Docker would pull all of them. */
export function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1)
  return name.includes(':') || name.includes('@') ? image : `${image}:latest`
}
