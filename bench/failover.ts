import { Cluster, eventually, isUp, sleep, type Daemon } from '../test/support/daemon.ts'
import { lines } from '../test/support/meshctl.ts'
import { RegisterClient } from '../test/support/register-client.ts'
import { describeSpread, quantile, type Figure } from './figure.ts'
import { cpuSeconds, MachineLoad } from './process-cost.ts'

const rounds = 20
const giveUpMs = 30_000
/** The killed one is back and votes before the next round begins. */
const settleMs = 1000

/** The leader of three is killed: how long until another manager accepts a write. */
export async function measureFailover(): Promise<Figure[]> {
  await using cluster = new Cluster('127.0.47')
  const daemons = await cluster.startManagers(3)
  const load = new MachineLoad()
  const samples: number[] = []
  for (let round = 0; round < rounds; round++) {
    await eventually('all three agree', 30_000, () => areWell(daemons))
    await sleep(settleMs)
    samples.push(await killLeader(daemons, round))
  }
  const used = daemons.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
  return [
    {
      what: 'leader killed until another manager accepts a write, median',
      value: quantile(samples, 0.5),
      unit: 'ms',
      must: { atMost: 1000 },
      spread: `${describeSpread(samples)}; ${load.describe(used)}`,
    },
    {
      what: 'leader killed until another manager accepts a write, worst',
      value: Math.max(...samples),
      unit: 'ms',
      must: { atMost: 2000 },
    },
  ]
}

async function killLeader(daemons: readonly Daemon[], round: number): Promise<number> {
  const name = await leaderOf(daemons)
  const leader = daemons.find(({ options }) => options.name === name)
  const survivors = daemons.filter((daemon) => daemon !== leader)
  const survivor = survivors[round % survivors.length]
  if (leader === undefined || survivor === undefined) throw new Error(`no leader: ${name}`)
  const client = new RegisterClient(survivor.socketPath)
  try {
    const killed = leader.killNode()
    const startedMs = performance.now()
    await writeUntilTaken(client, `round-${round}`)
    const tookMs = performance.now() - startedMs
    await killed
    leader.start()
    await isUp(leader)
    return tookMs
  } finally {
    client.close()
  }
}

/** As a client does: again at once when it was told that nothing, or perhaps nothing, was written. */
async function writeUntilTaken(client: RegisterClient, name: string): Promise<void> {
  const deadlineMs = performance.now() + giveUpMs
  for (let attempt = 0; performance.now() < deadlineMs; attempt++) {
    const { kind } = await client.create(`${name}-${attempt}`, 'x')
    if (kind === 'taken') return
    await sleep(10)
  }
  throw new Error(`no write was accepted within ${giveUpMs} ms`)
}

async function leaderOf([first]: readonly Daemon[]): Promise<string> {
  if (first === undefined) return ''
  const found = await lines(first, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')
  return found.find((line) => line.endsWith(' Leader'))?.split(' ')[0] ?? ''
}

async function areWell([first]: readonly Daemon[]): Promise<boolean> {
  if (first === undefined) return false
  const found = await lines(first, 'node', 'ls', '--format', '{{.Status}} {{.ManagerStatus}}')
  return found.length === 3 && found.every((line) => /^Ready (Leader|Reachable)/.test(line))
}
