/**
 * What we claim, measured: `npm run bench [-- name …]`, all of it by default, one after the other.
 * Fails when a figure is not what it must be. `--rounds` and `--seconds` are of `ingress`.
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { measureFailover } from './failover.ts'
import { describeFigure, isMissed, type Figure } from './figure.ts'
import { measureIdle } from './idle.ts'
import { measureIngress } from './ingress.ts'
import { measureProposals } from './proposals.ts'

const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seconds: { type: 'string' } },
})
const ingressOptions = z
  .strictObject({
    rounds: z.coerce.number().int().min(1).max(100).default(7),
    seconds: z.coerce.number().int().min(1).max(60).default(2),
  })
  .parse(values)

const benches: Readonly<Record<string, () => Promise<Figure[]>>> = {
  proposals: measureProposals,
  idle: measureIdle,
  failover: measureFailover,
  ingress: () => measureIngress(ingressOptions),
}

const unknown = asked.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const missed: Figure[] = []
for (const [name, measure] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const load = loadavg().map((each) => each.toFixed(1))
  console.log(`${name} (load average before: ${load.join(' ')})`)
  for (const figure of await measure()) {
    console.log(`  ${describeFigure(figure)}`)
    if (isMissed(figure)) missed.push(figure)
  }
}
if (missed.length > 0) {
  console.log(`missed:\n${missed.map((figure) => `  ${describeFigure(figure)}`).join('\n')}`)
}
process.exit(missed.length > 0 ? 1 : 0)
