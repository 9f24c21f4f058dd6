import { createHash } from 'node:crypto'
import { accessSync } from 'node:fs'
import { TestCluster } from '../test/mesh/identity/test-cluster.ts'
import { eventually, sleep } from '../test/support/daemon.ts'
import { describeSpread, quantile, rounded, type Figure } from './figure.ts'
import { childrenOf, cpuOf, type Contender } from './ingress/contender.ts'
import { startPair } from './ingress/haproxy.ts'
import { costOf, load } from './ingress/load.ts'
import { startOurs } from './ingress/meshd.ts'
import { bytesOf, requestsTaken, startBackend, startProxy } from './ingress/nginx.ts'
import { rows, type Row } from './ingress/rows.ts'
import { Stage } from './ingress/stage.ts'

export interface IngressBenchOptions {
  readonly rounds: number
  /** Of each contender, in each row, in each round. */
  readonly seconds: number
}

const needed = [
  '/usr/sbin/haproxy',
  '/usr/sbin/nginx',
  '/usr/bin/wrk',
  '/usr/lib/nginx/modules/ngx_stream_module.so',
]

/** CPU of all processes that proxy, per unit of work, beside others that do the same now. */
export async function measureIngress(options: IngressBenchOptions): Promise<Figure[]> {
  const missing = needed.filter((path) => !exists(path))
  if (missing.length > 0) {
    throw new Error(
      `there is no ${missing.join(', ')}: apt-get install haproxy nginx-light libnginx-mod-stream wrk`,
    )
  }
  using stage = new Stage()
  const backend = startBackend(stage)
  const contenders = await startAll(stage, backend)
  for (const { name, settings } of contenders) console.log(`${name}:\n${settings}`)
  await checkAnswers(contenders, backend)
  const ledger = new Ledger()
  // The first round only warms up.
  for (let round = 0; round <= options.rounds; round++) {
    for (const row of rows) {
      for (const contender of able(contenders, row)) {
        const sample = await measure({ row, backend }, contender, options.seconds)
        if (round > 0) ledger.add(row, contender, sample)
      }
    }
  }
  return [...rows.map((row) => ledger.figure(row)), ...ledger.failures(contenders)]
}

async function startAll(stage: Stage, backend: string): Promise<Contender[]> {
  const cluster = new TestCluster()
  const facts = { backend, entry: await cluster.member(), far: await cluster.member() }
  const nginx = startProxy(stage, backend)
  const all = [await startOurs(stage, facts), startPair(stage, facts)]
  await eventually('nginx has its workers', 10_000, () => childrenOf(nginx.main).length > 0)
  return [...all, { ...nginx, pids: [nginx.main, ...childrenOf(nginx.main)] }]
}

/** Whoever answers anything else than the backend does has no place in the table. */
async function checkAnswers(contenders: readonly Contender[], backend: string): Promise<void> {
  for (const file of ['small', 'bulk']) {
    let expected = ''
    await eventually('the backend answers', 10_000, async () => {
      expected = await digestOf(`http://${backend}/${file}`)
      return true
    })
    for (const { name, addresses } of contenders) {
      for (const [path, address] of Object.entries(addresses)) {
        await eventually(`${name} answers by ${path}`, 20_000, async () => {
          const found = await digestOf(`http://${address}/${file}`)
          if (found !== expected) throw new Error(`not the same bytes: ${found}`)
          return true
        })
      }
    }
  }
}

async function digestOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const digest = createHash('sha256').update(bytes).digest('hex')
  return `${response.status} ${bytes.length} ${digest}`
}

interface Sample {
  readonly cost: number
  readonly perSecond: number
  readonly failed: number
}

interface Place {
  readonly row: Row
  readonly backend: string
}

/** Once all connections are there: what they cost is a row of its own. */
const warmMs = 500

async function measure(place: Place, contender: Contender, seconds: number): Promise<Sample> {
  const { row, backend } = place
  const address = contender.addresses[row.path]
  if (address === undefined) throw new Error(`${contender.name} does not do ${row.path}`)
  const loaded = load(row, address, seconds + 1)
  await sleep(warmMs)
  const [cpu, taken, startedMs] = [
    cpuOf(contender),
    await requestsTaken(backend),
    performance.now(),
  ]
  await sleep(seconds * 1000)
  const used = cpuOf(contender) - cpu
  const requests = (await requestsTaken(backend)) - taken - 1
  const tookMs = performance.now() - startedMs
  const { failed } = await loaded
  return {
    cost: costOf(row, { requests, bytes: requests * bytesOf[row.file] }, used),
    perSecond: (requests / tookMs) * 1000,
    failed,
  }
}

const able = (contenders: readonly Contender[], { path }: Row): Contender[] =>
  contenders.filter(({ addresses }) => addresses[path] !== undefined)

/** All samples, by row and by name. */
class Ledger {
  readonly #samples = new Map<Row, Map<string, Sample[]>>()

  add(row: Row, { name }: Contender, sample: Sample): void {
    const ofRow = this.#samples.get(row) ?? new Map<string, Sample[]>()
    ofRow.set(name, [...(ofRow.get(name) ?? []), sample])
    this.#samples.set(row, ofRow)
  }

  /** The median of what each round's ratio was: both sides of it were measured within seconds. */
  figure(row: Row): Figure {
    const ofRow = this.#samples.get(row) ?? new Map<string, Sample[]>()
    const theirs = ofRow.get('HAProxy') ?? []
    const ratios = (ofRow.get('meshd') ?? []).map(
      ({ cost }, round) => cost / (theirs[round]?.cost ?? Number.NaN),
    )
    const costs = [...ofRow].map(([name, samples]) => `${name} ${describeCosts(samples)}`)
    return {
      what: row.what,
      value: quantile(ratios, 0.5),
      unit: 'of the CPU of HAProxy',
      spread: `${describeSpread(ratios)}; ${row.unit}: ${costs.join(', ')}`,
      ...(row.must === undefined ? {} : { must: row.must }),
    }
  }

  failures(contenders: readonly Contender[]): Figure[] {
    return contenders.map(({ name }) => ({
      what: `failed by ${name}`,
      value: [...this.#samples.values()]
        .flatMap((ofRow) => ofRow.get(name) ?? [])
        .reduce((sum, { failed }) => sum + failed, 0),
      unit: 'requests',
      ...(name === 'meshd' ? { must: { atMost: 0 } } : {}),
    }))
  }
}

function describeCosts(samples: readonly Sample[]): string {
  const costs = samples.map(({ cost }) => cost)
  const [low, mid, high] = [0, 0.5, 1].map((fraction) => rounded(quantile(costs, fraction)))
  const speed = quantile(
    samples.map(({ perSecond }) => perSecond),
    0.5,
  )
  return `${low} … ${mid} … ${high} (${rounded(speed)}/s)`
}

function exists(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}
