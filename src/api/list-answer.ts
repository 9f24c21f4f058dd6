import { setImmediate } from 'node:timers/promises'
import { sendJson, type Exchange } from './exchange.ts'
import { write } from './streaming.ts'

const smallList = 100
const pieceChars = 256 * 1024

/**
 * A list as JSON. A long one is rendered and sent piece by piece: this process has heartbeats to
 * answer, and the piece before should be on its way.
 */
export async function sendList<T>(
  exchange: Pick<Exchange, 'res'>,
  items: readonly T[],
  render: (item: T) => unknown,
): Promise<void> {
  if (items.length <= smallList) return sendJson(exchange, 200, items.map(render))
  const { res } = exchange
  res.writeHead(200, { 'content-type': 'application/json' })
  let piece = '['
  for (const [at, item] of items.entries()) {
    piece += (at === 0 ? '' : ',') + JSON.stringify(render(item))
    if (piece.length < pieceChars) continue
    if (!(await write(res, piece))) return
    piece = ''
    await setImmediate()
  }
  res.end(`${piece}]\n`)
}
