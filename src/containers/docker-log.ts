import type Docker from 'dockerode'
import type { LogLine, LogQuery } from './container-engine.ts'
import { faultOf, type DockerCalls } from './docker-calls.ts'
import { engineFault } from './engine-fault.ts'

const headerBytes = 8
/** Docker's own messages have at most 16 KiB; details of a log driver come on top. */
const maxFrameBytes = 1024 * 1024
const space = 0x20
const newline = 0x0a

export interface DockerLogSource {
  readonly container: Docker.Container
  readonly isTerminal: boolean
  readonly calls: DockerCalls
  readonly signal: AbortSignal
}

export async function* openDockerLog(
  { container, isTerminal, calls, signal }: DockerLogSource,
  query: LogQuery,
): AsyncGenerator<LogLine> {
  const { stdout, stderr, follow, tail, since, until } = query
  const options = {
    stdout,
    stderr,
    follow,
    timestamps: true,
    details: true,
    ...(tail !== null && { tail }),
    ...(since !== null && { since: dockerTime(since) }),
    ...(until !== null && { until: dockerTime(until) }),
  }
  const closing = new AbortController()
  const stream = await calls.run((opening) =>
    openStream(container, options, AbortSignal.any([signal, closing.signal, opening])),
  )
  try {
    yield* readDockerLog(follow ? stream : inTime(stream, calls), isTerminal)
  } catch (error) {
    throw faultOf(error)
  } finally {
    closing.abort()
  }
}

/** What there is comes at once, unless Docker hangs. */
async function* inTime(stream: AsyncIterable<Buffer>, calls: DockerCalls): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]()
  for (;;) {
    const { done, value } = await calls.run(() => chunks.next())
    if (done === true) return
    yield value
  }
}

interface Dialler {
  dial(call: object, done: (error: unknown, stream: AsyncIterable<Buffer>) => void): void
}

/** As dockerode's own `logs`, which reads a log that is not followed into memory, whole. */
function openStream(
  container: Docker.Container,
  options: object,
  abortSignal: AbortSignal,
): Promise<AsyncIterable<Buffer>> {
  const call = {
    path: `/containers/${container.id}/logs?`,
    method: 'GET',
    isStream: true,
    statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
    options,
    abortSignal,
  }
  return new Promise((resolve, reject) => {
    const dialler = container.modem as Dialler
    dialler.dial(call, (error, stream) => {
      if (error instanceof Error) reject(error)
      else resolve(stream)
    })
  })
}

/**
 * Docker's stream of a container's log, asked for with timestamps and details: frames, or bare lines
 * where the container has a terminal.
 */
export async function* readDockerLog(
  stream: AsyncIterable<Buffer>,
  isTerminal: boolean,
): AsyncGenerator<LogLine> {
  const next = isTerminal ? nextLine : nextFrame
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let part = next(rest); part !== null; part = next(rest)) {
      rest = rest.subarray(part.length)
      const line = parseMessage(part)
      if (line !== null) yield line
    }
    if (rest.length > maxFrameBytes) throw engineFault('engine/refused', 'an endless log message')
  }
}

interface Part {
  /** What it takes of the stream. */
  readonly length: number
  readonly stream: LogLine['stream']
  readonly message: Buffer
}

/** stream(1) 0(3) length(4), then the message. */
function nextFrame(bytes: Buffer): Part | null {
  if (bytes.length < headerBytes) return null
  const length = headerBytes + bytes.readUInt32BE(4)
  if (length > maxFrameBytes) throw engineFault('engine/refused', 'an endless log message')
  if (bytes.length < length) return null
  const stream = bytes[0] === 1 ? 'stdout' : 'stderr'
  return { length, stream, message: bytes.subarray(headerBytes, length) }
}

function nextLine(bytes: Buffer): Part | null {
  const length = bytes.indexOf(newline) + 1
  return length === 0 ? null : { length, stream: 'stdout', message: bytes.subarray(0, length) }
}

/** `time attributes text`; null for the continuation of what had no end on a terminal. */
function parseMessage({ message, stream }: Part): LogLine | null {
  const first = message.indexOf(space)
  const second = message.indexOf(space, first + 1)
  if (first < 0 || second < 0) return null
  return {
    at: message.toString('latin1', 0, first),
    stream,
    attributes: message.toString('utf8', first + 1, second),
    text: message.subarray(second + 1),
  }
}

/** Docker takes seconds since 1970, with nine decimals. */
const dockerTime = (at: string): string =>
  `${Date.parse(`${at.slice(0, 19)}Z`) / 1000}.${at.slice(20, 29)}`
