import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sleep } from './daemon.ts'

const uploadBytes = 100 * 1024 * 1024
const block = Buffer.alloc(256 * 1024, 'x')
const uploadPauseMs = 2000
const answerLimitMs = 60_000

/** Bodies of 100 MB, one after the other, to the URLs in turn. */
export class Uploads {
  readonly failed: string[] = []
  done = 0
  readonly #run: Promise<void>
  #isOver = false

  constructor(urls: readonly string[]) {
    this.#run = this.#sendAll(urls)
  }

  /** Waits for the one under way. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#run
  }

  async #sendAll(urls: readonly string[]): Promise<void> {
    for (let at = 0; !this.#isOver; at++) {
      const url = urls[at % urls.length] ?? ''
      try {
        await upload(url)
        this.done++
      } catch (error) {
        this.failed.push(`${url}: ${String(error)}`)
      }
      const pauseUntilMs = performance.now() + uploadPauseMs
      while (!this.#isOver && performance.now() < pauseUntilMs) await sleep(100)
    }
  }
}

async function upload(url: string): Promise<void> {
  const headers = { 'Content-Length': uploadBytes }
  const signal = AbortSignal.timeout(answerLimitMs)
  const sending = request(url, { agent: false, method: 'POST', headers, signal })
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>
  const [[response]] = await Promise.all([answered, pipeline(Readable.from(blocks()), sending)])
  let body = ''
  for await (const piece of response) body += String(piece)
  if (response.statusCode !== 200 || !body.includes(`received: ${uploadBytes}\n`)) {
    throw new Error(`${response.statusCode} ${body}`)
  }
}

const blocks = (): Buffer[] => Array.from({ length: uploadBytes / block.length }, () => block)

const echoPeriodMs = 100
const echoLimitMs = 5000

/** One WebSocket to each URL, on which everything said must come back, in order. */
export class Echoes {
  readonly failed: string[] = []
  /** Closed in order by a task that ended; whoever was told opens another. */
  toldToGo = 0
  done = 0
  readonly #runs: readonly Promise<void>[]
  #isOver = false

  constructor(urls: readonly string[]) {
    this.#runs = urls.map((url) => this.#talk(url.replace('http:', 'ws:')))
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#runs)
  }

  async #talk(url: string): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#talkOnce(url)
      } catch (error) {
        this.failed.push(`${url}: ${String(error)}`)
        await sleep(echoPeriodMs)
      }
    }
  }

  async #talkOnce(url: string): Promise<void> {
    const socket = new WebSocket(url)
    const closed = new Promise<CloseEvent>((resolve) => {
      socket.addEventListener('close', resolve, { once: true })
    })
    const opened = new Promise<void>((resolve) => {
      socket.addEventListener('open', () => resolve(), { once: true })
    })
    await within('no connection', Promise.race([opened, closed]))
    for (let said = 0; !this.#isOver && socket.readyState === WebSocket.OPEN; said++) {
      const heard = heardOn(socket)
      socket.send(`word ${said}`)
      const word = await within('no echo', Promise.race([heard, closed.then(() => null)]))
      if (word === null) break
      if (word !== `word ${said}`) throw new Error(`heard ${word} for word ${said}`)
      this.done++
      await sleep(echoPeriodMs)
    }
    if (this.#isOver) socket.close(1000)
    const { code, wasClean } = await within('no close', closed)
    if (!wasClean) throw new Error(`cut with ${code}`)
    if (code === 1001) this.toldToGo++
  }
}

const heardOn = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true })
  })

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const timer = Promise.withResolvers<never>()
  const timeout = setTimeout(() => timer.reject(new Error(what)), echoLimitMs)
  try {
    return await Promise.race([promise, timer.promise])
  } finally {
    clearTimeout(timeout)
  }
}
