import type { LogLine } from '../model/log-line.ts'
import { engineFault } from './engine-fault.ts'

const headerBytes = 8
/** Docker's own messages have at most 16 KiB; details of a log driver come on top. */
const maxFrameBytes = 1024 * 1024
const space = 0x20
const newline = 0x0a

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
  const last = isTerminal ? parseMessage({ stream: 'stdout', message: rest }) : null
  if (last !== null) yield last
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
function parseMessage({ message, stream }: Omit<Part, 'length'>): LogLine | null {
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
