import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import { MeshClient } from '../client/mesh-client.ts'
import { firstSignal } from '../runtime/signals.ts'
import { createDemo, demoPort, isAnswering } from './demo-service.ts'
import { DevNode } from './dev-node.ts'
import { checkPorts, type WantedPort } from './port-check.ts'

export interface DevFlags {
  /** As typed. */
  readonly nodes: string
  readonly runtime: 'docker' | 'process'
  readonly dockerSocket: string
  readonly verbose?: true
}

const startLimitMs = 60_000
const stopGraceMs = 15_000

/** Several nodes on this machine and a service on them, until a signal; leaves nothing behind. */
export async function runDev(flags: DevFlags): Promise<void> {
  const count = Number(flags.nodes)
  if (!Number.isInteger(count) || count < 1 || count > 9) {
    throw new MeshError({ code: 'config/invalid', reason: '--nodes must be 1 to 9' })
  }
  await checkPorts(portsOf(count))
  const signal = firstSignal(['SIGINT', 'SIGTERM', 'SIGHUP'])
  await using scope = new AsyncDisposableStack()
  const baseDir = mkdtempSync(join(tmpdir(), 'meshd-dev-'))
  scope.defer(() => rmSync(baseDir, { recursive: true, force: true, maxRetries: 5 }))
  const nodes: DevNode[] = []
  scope.defer(async () => {
    await Promise.all(nodes.map((node) => node.stop(stopGraceMs)))
  })
  const started = startAll(count, { ...flags, baseDir }, nodes)
  const isStarted = await Promise.race([started.then(() => true), signal.then(() => false)])
  // Its faults are of no interest any more once a signal ends the nodes under it.
  started.catch(() => {})
  if (isStarted) say(`${whatToTry(nodes)}\nCtrl-C stops everything and leaves nothing behind.`)
  await signal
  say('\nstopping ...')
}

/** Loopback addresses are the machine's: another cluster, or the demo's port in use, is found here. */
const portsOf = (count: number): WantedPort[] =>
  Array.from({ length: count }, (_, at) => `127.0.0.${at + 1}`).flatMap((host) => [
    { host, port: 2377, purpose: 'API between nodes' },
    { host, port: 7946, purpose: 'gossip' },
    { host, port: 4789, purpose: 'traffic between nodes' },
    { host, port: demoPort, purpose: 'the demo service' },
  ])

interface Surroundings extends DevFlags {
  readonly baseDir: string
}

async function startAll(count: number, around: Surroundings, nodes: DevNode[]): Promise<void> {
  const first = await startOne(1, null, around, nodes)
  using client = clientOf(first)
  await until(first, 'it leads', async (asked) => (await asked.nodes()).length > 0)
  const { JoinTokens } = await client.swarm()
  const others = Array.from({ length: count - 1 }, (_, at) => at + 2)
  await Promise.all(
    others.map((index) => {
      const joinLine = `${JoinTokens[roleOf(index)]}@${first.address}:2377`
      return startOne(index, joinLine, around, nodes)
    }),
  )
  await until(first, 'all are ready', async (asked) => (await readyNodes(asked)) === count)
  await createDemo(client, count)
  say('the demo service starts ...')
  await Promise.all(
    nodes.map((node) =>
      until(node, `${node.address}:${demoPort} answers`, () => isAnswering(node.address)),
    ),
  )
}

async function startOne(
  index: number,
  joinLine: string | null,
  { baseDir, runtime, dockerSocket, verbose }: Surroundings,
  nodes: DevNode[],
): Promise<DevNode> {
  const isVerbose = verbose === true
  const node = new DevNode({ index, baseDir, runtime, dockerSocket, join: joinLine, isVerbose })
  nodes.push(node)
  say(`${node.name} starts on ${node.address} ...`)
  await until(node, 'it is a member', (client) => isMember(client))
  return node
}

const clientOf = (node: DevNode): MeshClient =>
  new MeshClient({ kind: 'unix', path: node.socketPath })

const isMember = async (client: MeshClient): Promise<boolean> =>
  (await client.info()).Swarm.LocalNodeState === 'active'

/** Three agree; more managers would only make every write slower. */
const roleOf = (index: number): 'Manager' | 'Worker' => (index <= 3 ? 'Manager' : 'Worker')

async function readyNodes(client: MeshClient): Promise<number> {
  const nodes = await client.nodes()
  return nodes.filter(({ Status }) => Status.State === 'ready').length
}

/** Asks again until `isTrue`; a fault of the client only means not yet. */
async function until(
  node: DevNode,
  what: string,
  isTrue: (client: MeshClient) => Promise<boolean>,
): Promise<void> {
  using client = clientOf(node)
  const deadlineMs = performance.now() + startLimitMs
  while (performance.now() < deadlineMs) {
    if (node.hasExited) break
    if (await isTrue(client).catch(() => false)) return
    await sleep(50)
  }
  const reason = `${node.name}: not within ${startLimitMs / 1000} s: ${what}`
  throw new MeshError({ code: 'dev/not-started', reason, lastWords: node.lastWords() })
}

function whatToTry(nodes: readonly DevNode[]): string {
  const [first] = nodes as [DevNode]
  const meshctl = `bin/meshctl -H unix://${first.socketPath}`
  return [
    '',
    `${nodes.length} nodes are up; the service "demo" answers on every one of them:`,
    ...nodes.map((node) => `  http://${node.address}:${demoPort}`),
    '',
    'Worth trying in another terminal:',
    `  curl http://${first.address}:${demoPort}`,
    `  ${meshctl} node ls`,
    `  ${meshctl} service ps demo`,
    `  ${meshctl} service scale demo=9`,
    `  docker -H unix://${first.socketPath} service ls`,
    '',
  ].join('\n')
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
