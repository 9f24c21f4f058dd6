import { hostname } from 'node:os'
import { join } from 'node:path'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import { forgetMembership, guardedFiles } from '../../mesh/node/node-state.ts'
import { startMeshNode } from '../../mesh/node/start-mesh-node.ts'
import { NodeDisk } from '../../mesh/storage/node-disk.ts'
import { Vault } from '../../mesh/storage/vault.ts'
import { formatHostPort } from '../../mesh/transport/host-address.ts'
import { Leader } from '../leader/leader.ts'
import { meshPolicy } from '../model/mesh-policy.ts'
import { lockDataDir } from '../runtime/data-lock.ts'
import { createLog } from '../runtime/logger.ts'
import { firstSignal } from '../runtime/signals.ts'
import { systemClock as clock } from '../runtime/system-clock.ts'
import { systemRandom as random } from '../runtime/system-random.ts'
import { chooseAdvertiseAddress } from './advertise-address.ts'
import { chooseRuntime } from './choose-runtime.ts'
import { ClusterStore } from './cluster-store.ts'
import type { Config } from './config.ts'
import { watchEventLoopDelay } from './event-loop-delay.ts'
import { explainFault } from './explain-fault.ts'
import { greet } from './greet.ts'
import { IngressSupervisor } from './ingress-supervisor.ts'
import { keepLocked } from './keep-locked.ts'
import { nodeFacts } from './node-facts.ts'
import { writePidFile } from './pid-file.ts'
import { RouteFeed } from './route-feed.ts'
import { startAgent } from './start-agent.ts'
import { startApi } from './start-api.ts'
import { tellDemotion } from './tell-demotion.ts'
import { waitForUnlock } from './wait-for-unlock.ts'

/** SIGUSR2 leaves the ingress and docker's tasks to the next daemon; the others end the node. */
const signals = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const

interface Ending {
  readonly leaveRunning: boolean
  /** Whoever is no member any more leaves no task behind; whoever left, no state either. */
  readonly membership: 'kept' | 'left' | 'removed'
}

const plainEnd: Ending = { leaveRunning: false, membership: 'kept' }

/** One node from start to stop. Reading order is start order; what was started last ends first. */
export async function runDaemon(config: Config): Promise<void> {
  const stopped = Promise.withResolvers<Ending>()
  void firstSignal(signals).then((signal) => {
    stopped.resolve({ leaveRunning: signal === 'SIGUSR2', membership: 'kept' })
  })
  // Started by a program that is gone now: nobody would stop us.
  if (process.connected) process.once('disconnect', () => stopped.resolve(plainEnd))
  // Listening for that must not keep a stopped daemon alive.
  process.channel?.unref()

  const name = config.name ?? hostname()
  const log = createLog({ format: config.logFormat, level: config.logLevel, name })
  await using scope = new AsyncDisposableStack()
  scope.use(await lockDataDir(config.dataDir))
  scope.use(await writePidFile(join(config.dataDir, 'meshd.pid')))
  const runtime = await chooseRuntime(config)
  const advertiseAddr = config.advertiseAddr ?? (await chooseAdvertiseAddress(config.join?.host))
  const loopDelay = scope.use(watchEventLoopDelay())

  const disk = await Vault.open(new NodeDisk(config.dataDir), guardedFiles)
  const lockedStart = { config, name, runtime, vault: disk, log, stopped: stopped.promise }
  if (disk.isLocked && !(await waitForUnlock(lockedStart))) return
  let ending = plainEnd
  scope.defer(async () => {
    if (ending.membership !== 'left') return
    await forgetMembership(disk)
    await disk.forget()
  })

  const { node, how } = await startMeshNode(
    {
      facts: nodeFacts({ config, name, advertiseAddr, runtime }),
      listenHost: config.listenAddr,
      gossipPort: config.gossipPort,
      join: config.join === null ? null : { ...config.join, timeoutMs: 15_000 },
      forceNewCluster: config.forceNewCluster,
      autolock: config.autolock,
      logBytesMax: config.maxLogBytes,
    },
    {
      disk,
      policy: meshPolicy,
      clock,
      random,
      log,
      eventLoopDelayMs: () => loopDelay.sample(),
      fatal: (error) => {
        log.error({ err: error }, 'this node cannot go on')
        process.stderr.write(`${explainFault(error)}\n`)
        process.exit(1)
      },
    },
  )
  scope.defer(() => node.stop())
  void node.removed.then(() => stopped.resolve({ leaveRunning: false, membership: 'removed' }))
  tellDemotion(node, name, log)
  const store = scope.use(new ClusterStore(node))
  scope.use(keepLocked({ node, store, vault: disk, log: log.child('lock') }))

  const leader = new Leader({
    mesh: node,
    view: () => store.view,
    watchView: (listener) => store.onChange(listener),
    clock,
    random,
    log: log.child('leader'),
  })
  leader.start()
  scope.defer(() => leader.stop())

  const ingress = await IngressSupervisor.start({
    dataDir: config.dataDir,
    listenAddr: config.listenAddr,
    dataPathPort: config.dataPathPort,
    workers: config.ingressWorkers,
    logFormat: config.logFormat,
    logLevel: config.logLevel,
    logName: name,
    log: log.child('ingress'),
    clock,
  })
  scope.defer(() => ingress.stop(ending))
  ingress.setIdentity(node.identity)
  node.onIdentity((identity) => ingress.setIdentity(identity))
  ingress.onPeerStatus((peer, answers) => store.setDataPath(peer, answers))
  ingress.onStopRequested(() => stopped.resolve(plainEnd))

  // Ends after the agent: while its tasks drain, clients that come in here are sent elsewhere.
  const settleMs = ingress.wasRunning ? 2000 : 0
  const setRoutes = ingress.setRoutes.bind(ingress)
  // A manager's log is never far behind, and its ports are to answer at once.
  const isCurrent = (): boolean => node.role === 'manager' || node.isCurrent
  const feedDeps = { self: node.self, store, clock, setRoutes, settleMs, isCurrent }
  const routes = scope.use(new RouteFeed(feedDeps))

  const controlAddress = formatHostPort({ host: advertiseAddr, port: config.controlPort })
  const agent = await startAgent(
    { config, runtime, name, controlAddress, node, store, ingress },
    { clock, log },
  )
  scope.use(agent)
  routes.start()
  const { taskLogs } = agent
  const leave = (): void => stopped.resolve({ leaveRunning: false, membership: 'left' })
  const eventLoopDelayMs = (): number => loopDelay.recentMs()
  const around = { config, advertiseAddr, runtime, eventLoopDelayMs }
  const apiOptions = { ...around, node, store, ingress, taskLogs, leave }
  scope.use(await startApi(apiOptions, { clock, random, log }))
  greet({ config, name, how, node, store, runtime, advertiseAddr, log })

  ending = await stopped.promise
  log.info({ ...ending }, 'stopping')
  if (ending.membership !== 'kept') await agent.retire()
  // Its connections drain while those of the tasks do, not after them.
  if (!ending.leaveRunning) ingress.finish()
  if (ending.membership === 'removed')
    throw new MeshError({ code: 'daemon/removed', node: node.self })
}
