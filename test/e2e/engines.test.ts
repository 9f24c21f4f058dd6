import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { dockerUnavailable } from '../support/docker-engine.ts'
import { EngineStage } from '../support/engine-stage.ts'
import { namespacesUnavailable } from '../support/namespaces.ts'
import { stories } from './engines-stories.ts'

const isMissing = spawnSync('docker', ['--version']).error !== undefined
const clientMissing = isMissing ? "docker's CLI is not installed" : false

/** What an operator does all day, on three machines: the same stories on both runtimes. */
function tellOn(runtime: 'docker' | 'process', open: () => Promise<EngineStage>): void {
  let stage: EngineStage | null = null
  before(async () => {
    stage = await open()
  })
  after(() => stage?.[Symbol.asyncDispose]())
  for (const { name, only = runtime, isByDocker = false, tell } of stories) {
    const options = { skip: isByDocker && clientMissing }
    if (only === runtime) test(name, options, () => tell(stage as EngineStage))
  }
}

const skip = dockerUnavailable() ?? namespacesUnavailable() ?? false

describe('three machines with an engine each', { skip }, () => {
  const bridges = ['198.18.81.1/24', '198.18.82.1/24', '198.18.83.1/24']
  tellOn('docker', () => EngineStage.ofEngines('198.18.80', bridges))
})

describe('three machines with plain processes', () => {
  tellOn('process', () => EngineStage.ofProcesses('127.0.80'))
})
