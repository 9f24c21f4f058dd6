const headerBytes = 8
const maxFrameBytes = 64 * 1024 * 1024

export interface LogFrame {
  readonly stream: 'stdout' | 'stderr'
  readonly message: Buffer
}

/** Docker's frames: stream(1) 0(3) length(4), then the message. */
export async function* readLogFrames(stream: AsyncIterable<Buffer>): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let frame = nextFrame(rest); frame !== null; frame = nextFrame(rest)) {
      rest = rest.subarray(headerBytes + frame.message.length)
      yield frame
    }
  }
}

function nextFrame(bytes: Buffer): LogFrame | null {
  if (bytes.length < headerBytes) return null
  const end = headerBytes + bytes.readUInt32BE(4)
  if (end > maxFrameBytes) throw new Error('this is not a log as docker sends it')
  if (bytes.length < end) return null
  return {
    stream: bytes[0] === 2 ? 'stderr' : 'stdout',
    message: bytes.subarray(headerBytes, end),
  }
}

/** What has no frames is the one stream of a terminal. */
export async function* readBareLog(stream: AsyncIterable<Buffer>): AsyncGenerator<LogFrame> {
  for await (const message of stream) yield { stream: 'stdout', message }
}
