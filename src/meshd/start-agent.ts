import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { LocalMeshNode } from '../../mesh/node/local-mesh-node.ts'
import { Agent } from '../agent/agent.ts'
import type { ContainerEngine } from '../containers/container-engine.ts'
import { DockerEngine } from '../containers/docker-engine.ts'
import { ProcessEngine } from '../containers/process-engine.ts'
import { ingressPortsOf, serviceById } from '../model/service-view.ts'
import { taskById } from '../model/task-view.ts'
import { feedAgent } from './agent-feed.ts'
import type { ClusterStore } from './cluster-store.ts'
import type { Config } from './config.ts'
import type { IngressSupervisor } from './ingress-supervisor.ts'
import { probe } from './probe.ts'

export interface StartAgentOptions {
  readonly config: Config
  readonly runtime: 'docker' | 'process'
  readonly name: string
  readonly controlAddress: string
  readonly node: LocalMeshNode
  readonly store: ClusterStore
  readonly ingress: IngressSupervisor
}

export interface RunningAgent extends AsyncDisposable {
  /** What a task of this node printed, as its engine has it. */
  readonly taskLogs: ContainerEngine['logs']
  /** Stops and removes every task, because the node leaves its cluster; gives up after a minute. */
  retire(): Promise<void>
}

interface Deps {
  readonly clock: Clock
  readonly log: Log
}

const retireLimitMs = 60_000

/** The agent of this node, fed with its tasks as soon as they are known for sure. */
export async function startAgent(options: StartAgentOptions, deps: Deps): Promise<RunningAgent> {
  const { node, store, ingress, name } = options
  const engine = createEngine(options, deps)
  const portsOf = (serviceId: string) => {
    const service = serviceById(store.view.catalog, serviceId)
    return service === undefined ? [] : ingressPortsOf(service)
  }
  const agent = new Agent(
    {
      cluster: node.clusterId,
      node: node.self,
      hostname: name,
      apiAddress: options.controlAddress,
      labels: options.config.labels,
    },
    {
      ...deps,
      log: deps.log.child('agent'),
      engine,
      publish: (key, value) => node.publish(key, value),
      targetPorts: (serviceId) => portsOf(serviceId).map(({ targetPort }) => targetPort),
      probedPorts: (serviceId) =>
        portsOf(serviceId)
          .filter(({ protocol }) => protocol === 'tcp')
          .map(({ targetPort }) => targetPort),
      drained: (task, deadlineMs) => {
        const serviceId = taskById(store.view.catalog, task)?.serviceId ?? ''
        return ingress.drained({ task, serviceId }, deadlineMs)
      },
      probe,
    },
  )
  const showIngress = (): void => {
    const reasons = ingress.portConflicts.map((port) => [port, 'another program listens there'])
    agent.setIngress({
      ingressReady: ingress.pid !== null,
      portConflicts: Object.fromEntries(reasons) as Record<string, string>,
    })
  }
  ingress.onReady(showIngress)
  ingress.onPortConflicts(showIngress)
  await agent.start()
  showIngress()
  void feedAgent(agent, { node, store, clock: deps.clock })
  return {
    taskLogs: (task, query, signal) => engine.logs(task, query, signal),
    retire: () => within(deps.clock, retireLimitMs, agent.retire()),
    async [Symbol.asyncDispose]() {
      await agent.stop()
      await engine.close()
    },
  }
}

function createEngine({ config, runtime, node }: StartAgentOptions, deps: Deps): ContainerEngine {
  const log = deps.log.child(runtime)
  const hostAddress = config.listenAddr
  if (runtime === 'process') {
    return new ProcessEngine({ clock: deps.clock, log, environment: process.env, hostAddress })
  }
  return new DockerEngine(
    { socketPath: config.dockerSocket, hostAddress, cluster: node.clusterId, node: node.self },
    { clock: deps.clock, log },
  )
}

/** Waits for the work, but not for ever. */
function within(clock: Clock, limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.after(limitMs, resolve)
  work.then(resolve, reject).finally(cancel)
  return promise
}
