import type Docker from 'dockerode'
import type { LogLine, LogQuery } from '../model/log-line.ts'
import { faultOf, type DockerCalls } from './docker-calls.ts'
import { RecentLines } from './recent-lines.ts'
import { readDockerLog } from './docker-log-stream.ts'

export interface DockerLogSource {
  readonly container: Docker.Container
  readonly isTerminal: boolean
  readonly calls: DockerCalls
  readonly signal: AbortSignal
  /** When the reader came, written like `LogLine.at`. */
  readonly openedAt: string
}

/**
 * Docker ends a log that it follows as soon as the container ends, often before it has sent the last
 * lines; one that has no line end is lost every other time. So the end is read once more.
 */
export async function* openDockerLog(
  source: DockerLogSource,
  query: LogQuery,
): AsyncGenerator<LogLine> {
  if (!query.follow) return yield* readPart(source, query)
  const recent = new RecentLines()
  for await (const line of readPart(source, query)) {
    recent.add(line)
    yield line
  }
  for await (const line of readPart(source, recent.rest(query, source.openedAt))) {
    if (!recent.take(line)) yield line
  }
}

async function* readPart(
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

/** Docker takes seconds since 1970, with nine decimals. */
const dockerTime = (at: string): string =>
  `${Date.parse(`${at.slice(0, 19)}Z`) / 1000}.${at.slice(20, 29)}`
