import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Change } from '../mesh/catalog/types.ts'
import { caDigest, formatJoinToken } from '../mesh/identity/join-token.ts'
import type { LocalMeshNode } from '../mesh/node/local-mesh-node.ts'
import { NodeDisk } from '../mesh/storage/node-disk.ts'
import { encodeTransaction } from '../mesh/wire/transaction.ts'
import { meshPolicy } from '../src/model/mesh-policy.ts'
import { RealNodes, type RealNode } from '../test/mesh/node/real-nodes.ts'
import { eventually, sleep } from '../test/support/daemon.ts'
import { describeSpread, quantile, rounded, type Figure } from './figure.ts'
import { cpuSeconds, MachineLoad } from './process-cost.ts'

const block = '127.0.48'
const atOnce = 64
const proposalBytes = 256
const warmUpMs = 5000
const windowMs = 1000
const windows = 10
const singles = 500

/** Proposals on the leader of three: the leader in this process, a process for each follower. */
export async function measureProposals(): Promise<Figure[]> {
  await using scope = new AsyncDisposableStack()
  const nodes = scope.use(new RealNodes(block))
  const founder = await nodes.found()
  const followers = [await startFollower(2, founder), await startFollower(3, founder)]
  scope.defer(async () => {
    for (const follower of followers) follower.disconnect()
    await Promise.all(followers.map((follower) => once(follower, 'exit')))
  })
  await eventually('three vote', 10_000, () => votersOf(founder) === 3)

  const { node } = founder
  await runAtOnce(node, warmUpMs)
  const many = await measureAtOnce(node, followers)
  const single = await measureSingles(node)
  return [...many, single, await measureSync(nodes.dir)]
}

async function startFollower(number: number, { view }: RealNode): Promise<ChildProcess> {
  const cluster = meshPolicy.authority(view)
  if (cluster === null) throw new Error('the founder has no authority')
  const digest = caDigest(cluster.caCertificatePem)
  const token = formatJoinToken({ caDigest: digest, secret: cluster.joinSecrets.manager })
  const child = fork(join(import.meta.dirname, 'follower.ts'), [block, String(number), token])
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`follower ${number} ended`))),
  ])
  return child
}

const votersOf = ({ node, view }: RealNode): number =>
  meshPolicy.members(view).filter((member) => node.isRaftMember(member.node)).length

async function measureAtOnce(
  node: LocalMeshNode,
  followers: readonly ChildProcess[],
): Promise<Figure[]> {
  const load = new MachineLoad()
  const pids = [process.pid, ...followers.map(({ pid = 0 }) => pid)]
  const before = pids.map(cpuSeconds)
  const rates: number[] = []
  const latencies: number[] = []
  for (let window = 0; window < windows; window++) {
    const startedMs = performance.now()
    const found = await runAtOnce(node, windowMs)
    rates.push(found.length / ((performance.now() - startedMs) / 1000))
    latencies.push(...found)
  }
  const used = pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0))
  const micros = used.map((seconds) => rounded((seconds * 1e6) / latencies.length)).join(', ')
  const total = used.reduce((sum, seconds) => sum + seconds, 0)
  const shared = `${load.describe(total)}; µs of CPU a commit on leader and followers: ${micros}`
  return [
    {
      what: `${atOnce} proposals of ${proposalBytes} bytes at once`,
      value: quantile(rates, 0.5),
      unit: 'commits/s',
      must: { atLeast: 5000 },
      spread: `${describeSpread(rates)}; ${shared}`,
    },
    {
      what: `p99 of ${atOnce} at once`,
      value: quantile(latencies, 0.99),
      unit: 'ms',
      must: { atMost: 20 },
      spread: describeSpread(latencies),
    },
  ]
}

async function measureSingles(node: LocalMeshNode): Promise<Figure> {
  const latencies: number[] = []
  for (let number = 0; number < singles; number++) latencies.push(await proposeOne(node, 0))
  return {
    what: 'one proposal at a time, median',
    value: quantile(latencies, 0.5),
    unit: 'ms',
    must: { atMost: 3 },
    spread: `${describeSpread(latencies)}, p99 ${rounded(quantile(latencies, 0.99))}`,
  }
}

/** Each of the lanes proposes again as soon as its last proposal is applied; answers with latencies. */
async function runAtOnce(node: LocalMeshNode, durationMs: number): Promise<number[]> {
  const latencies: number[] = []
  const endMs = performance.now() + durationMs
  const lane = async (number: number): Promise<void> => {
    while (performance.now() < endMs) latencies.push(await proposeOne(node, number))
  }
  await Promise.all(Array.from({ length: atOnce }, (_, number) => lane(number)))
  return latencies
}

async function proposeOne(node: LocalMeshNode, lane: number): Promise<number> {
  const startedMs = performance.now()
  const result = await node.propose(changesOf(lane))
  if (result.kind !== 'applied') throw new Error(`refused: ${result.refusal.code}`)
  return performance.now() - startedMs
}

const created = new Set<number>()

/** The lane's own object, replaced by one as large; made when it is not there. */
function changesOf(lane: number): readonly Change[] {
  const isNew = !created.has(lane)
  created.add(lane)
  const object = { kind: 'bench', id: `lane-${lane}`, claims: [], body: { filler } }
  return [isNew ? { kind: 'create', object } : { kind: 'update', object, ifVersion: null }]
}

const filler = 'x'.repeat(
  proposalBytes -
    encodeTransaction({
      request: 'x'.repeat(25),
      atMs: Date.now(),
      changes: [
        {
          kind: 'update',
          object: { kind: 'bench', id: 'lane-00', claims: [], body: { filler: '' } },
          ifVersion: null,
        },
      ],
    }).length,
)

/** What the disk alone takes, to read the others by. */
async function measureSync(dir: string): Promise<Figure> {
  const file = await new NodeDisk(dir).openAppend('sync-probe')
  const samples: number[] = []
  const data = new Uint8Array(proposalBytes)
  for (let number = 0; number < 200; number++) {
    await sleep(1)
    const startedMs = performance.now()
    await file.append(data)
    await file.sync()
    samples.push(performance.now() - startedMs)
  }
  await file.close()
  return {
    what: 'an append and fdatasync of this disk, median',
    value: quantile(samples, 0.5),
    unit: 'ms',
    spread: `${describeSpread(samples)}, p99 ${rounded(quantile(samples, 0.99))}`,
  }
}
