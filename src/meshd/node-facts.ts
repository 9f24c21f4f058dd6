import { arch, availableParallelism, totalmem } from 'node:os'
import type { NodeFacts } from '../../mesh/node/node-facts.ts'
import { formatHostPort } from '../../mesh/transport/host-address.ts'
import type { Config } from './config.ts'
import { version } from './version.ts'

export interface NodeFactsInput {
  readonly config: Config
  readonly name: string
  readonly advertiseAddr: string
  readonly runtime: 'docker' | 'process'
}

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** What this machine says of itself when it enters a cluster; the agent corrects it as it learns more. */
export function nodeFacts({ config, name, advertiseAddr, runtime }: NodeFactsInput): NodeFacts {
  const at = (port: number): string => formatHostPort({ host: advertiseAddr, port })
  return {
    name,
    gossipAddress: at(config.gossipPort),
    controlAddress: at(config.controlPort),
    dataPathAddress: at(config.dataPathPort),
    availability: config.availability,
    description: {
      Hostname: name,
      Platform: { Architecture: architectures[arch()] ?? arch(), OS: process.platform },
      Resources: { NanoCPUs: availableParallelism() * 1e9, MemoryBytes: totalmem() },
      Engine: { EngineVersion: version, Labels: config.labels },
      Runtime: runtime,
    },
  }
}
