import { describe } from 'node:test'
import { dockerUnavailable } from '../support/docker-engine.ts'
import { EngineStage } from '../support/engine-stage.ts'
import { namespacesUnavailable } from '../support/namespaces.ts'
import { registryUnavailable } from '../support/registry.ts'
import { tellOn } from './engines/tell-on.ts'

const skip = dockerUnavailable() ?? namespacesUnavailable() ?? registryUnavailable() ?? false

describe('three machines with an engine each', { skip }, () => {
  const bridges = ['198.18.81.1/24', '198.18.82.1/24', '198.18.83.1/24']
  tellOn('docker', () => EngineStage.ofEngines('198.18.80', bridges))
})
