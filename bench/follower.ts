/** A manager in a process of its own: `follower.ts BLOCK NUMBER TOKEN`; ends with whoever started it. */
import { RealNodes } from '../test/mesh/node/real-nodes.ts'

const [block = '', number = '', token = ''] = process.argv.slice(2)
const nodes = new RealNodes(block)
await nodes.start(Number(number), { token, host: `${block}.1`, port: 2377, timeoutMs: 10_000 })
process.once('disconnect', () => {
  void nodes[Symbol.asyncDispose]().finally(() => process.exit())
})
process.send?.('ready')
