import { describe } from 'node:test'
import { EngineStage } from '../support/engine-stage.ts'
import { tellOn } from './engines/tell-on.ts'

describe('three machines with plain processes', () => {
  tellOn('process', () => EngineStage.ofProcesses('127.0.80'))
})
