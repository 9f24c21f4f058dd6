/** What the muxer keeps of a stream: how much its peer may send at once, and how much of it still. */
interface CreditedStream {
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/**
 * The muxer answers every frame, however short, with a frame that gives its bytes back as credit:
 * twice the packets for heartbeats. From now on it does so once half of the window is used, as
 * yamux is meant. Only for streams that are open: the first of these frames opens them.
 */
export function giveCreditInBulk(stream: object): void {
  if (!isCredited(stream)) return
  const give = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.recvWindowCapacity <= stream.recvWindow / 2) give()
  }
}

const isCredited = (stream: object): stream is CreditedStream =>
  'sendWindowUpdate' in stream && 'recvWindow' in stream && 'recvWindowCapacity' in stream
