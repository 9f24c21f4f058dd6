import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import type { EngineStage } from '../../support/engine-stage.ts'
import { storiesOfContainers } from './stories-of-containers.ts'
import { storyOfDocker } from './stories-of-docker.ts'
import { storiesOfImages } from './stories-of-images.ts'
import { storiesOfLogs } from './stories-of-logs.ts'
import { storiesOfMachines, storiesOfWeb } from './stories-of-machines.ts'
import { storiesOfRules } from './stories-of-rules.ts'
import type { Story } from './telling.ts'

const isMissing = spawnSync('docker', ['--version']).error !== undefined
const clientMissing = isMissing ? "docker's CLI is not installed" : false

/** They mostly wait, each for services and ports of its own. */
const together = 4

/** What an operator does all day, on three machines: the same stories on both runtimes. */
export function tellOn(runtime: 'docker' | 'process', open: () => Promise<EngineStage>): void {
  let stage: EngineStage | null = null
  before(async () => {
    stage = await open()
  })
  after(() => stage?.[Symbol.asyncDispose]())

  const tellEach = (stories: readonly Story[]): void => {
    for (const { name, only = runtime, isByDocker = false, tell } of stories) {
      const options = { skip: isByDocker && clientMissing }
      if (only === runtime) test(name, options, () => tell(stage as EngineStage))
    }
  }
  const inTurn = { concurrency: 1 }
  describe('services, at the same time', { concurrency: together }, () => {
    describe('a service that is visited', inTurn, () => tellEach(storiesOfWeb))
    describe('logs', inTurn, () => tellEach(storiesOfLogs))
    tellEach([storyOfDocker, ...storiesOfImages, ...storiesOfContainers, ...storiesOfRules])
  })
  describe('machines, one story after the other', inTurn, () => tellEach(storiesOfMachines))
}
