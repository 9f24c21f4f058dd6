import { Cluster, eventually, sleep, type Daemon } from '../test/support/daemon.ts'
import { lines } from '../test/support/meshctl.ts'
import { describeSpread, type Figure } from './figure.ts'
import { cpuSeconds, MachineLoad, residentBytes } from './process-cost.ts'

const settleMs = 10_000
const periodMs = 30_000

/** What `meshd` costs when nobody wants anything: each of three managers, the worst one counts. */
export async function measureIdle(): Promise<Figure[]> {
  await using cluster = new Cluster('127.0.47')
  const daemons = await cluster.startManagers(3)
  await eventually('all are ready', 30_000, () => areReady(daemons))
  await sleep(settleMs)
  const load = new MachineLoad()
  const before = daemons.map(({ pid }) => cpuSeconds(pid))
  await sleep(periodMs)
  const seconds = daemons.map(({ pid }, at) => cpuSeconds(pid) - (before[at] ?? 0))
  const percents = seconds.map((each) => (each / (periodMs / 1000)) * 100)
  const sizes = daemons.map(({ pid }) => residentBytes(pid) / 2 ** 20)
  const total = seconds.reduce((sum, each) => sum + each, 0)
  return [
    {
      what: 'an idle manager, CPU of one core',
      value: Math.max(...percents),
      unit: '%',
      must: { atMost: 2 },
      spread: `${describeSpread(percents)}; ${load.describe(total)}`,
    },
    {
      what: 'an idle manager, RSS of meshd',
      value: Math.max(...sizes),
      unit: 'MiB',
      must: { atMost: 150 },
      spread: describeSpread(sizes),
    },
  ]
}

async function areReady([first]: readonly Daemon[]): Promise<boolean> {
  if (first === undefined) return false
  const found = await lines(first, 'node', 'ls', '--format', '{{.Status}} {{.ManagerStatus}}')
  return found.length === 3 && found.every((line) => /^Ready (Leader|Reachable)/.test(line))
}
