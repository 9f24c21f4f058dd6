import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import Docker from 'dockerode'
import { silentLog } from '../../../mesh/base/log.ts'
import type { CreateWatch } from '../../../src/containers/container-engine.ts'
import { DockerCalls } from '../../../src/containers/docker-calls.ts'
import { DockerImages } from '../../../src/containers/docker-images.ts'
import { isEngineFault, mayPass } from '../../../src/containers/engine-fault.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'

interface Pull {
  readonly res: ServerResponse
  readonly auth: string | undefined
  isAborted: boolean
}

class World {
  readonly pulls: Pull[] = []
  readonly images: DockerImages
  readonly clock = new FakeClock()

  private constructor(socketPath: string) {
    const docker = new Docker({ socketPath })
    this.images = new DockerImages(docker, new DockerCalls(this.clock), {
      clock: this.clock,
      log: silentLog,
    })
  }

  /** An engine that has no image, and pulls as the test says. */
  static async open(t: TestContext): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'meshd-im-'))
    const world = new World(join(dir, 's'))
    const server = createServer((req, res) => world.#answer(req, res))
    await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve))
    t.after(() => {
      server.closeAllConnections()
      server.close()
      rmSync(dir, { recursive: true })
    })
    return world
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    if (req.url?.startsWith('/images/create') !== true) {
      return void res.writeHead(404).end('{"message":"no such image"}')
    }
    const pull: Pull = { res, auth: req.headers['x-registry-auth'] as string, isAborted: false }
    res.on('close', () => (pull.isAborted = !res.writableFinished))
    res.writeHead(200, { 'content-type': 'application/json' })
    res.write('{"status":"Pulling fs layer","id":"a"}\n')
    this.pulls.push(pull)
  }

  async pull(at: number): Promise<Pull> {
    return eventually(() => {
      const pull = this.pulls[at]
      assert.ok(pull !== undefined)
      return pull
    })
  }
}

function watcher(): CreateWatch & {
  readonly said: string[]
  readonly controller: AbortController
} {
  const said: string[] = []
  const controller = new AbortController()
  return { said, controller, signal: controller.signal, progress: (text) => said.push(text) }
}

const wish = (image: string, registryAuth: string | null = null) => ({ image, registryAuth })

test('two tasks wait for one transfer, and both hear of it', async (t) => {
  const world = await World.open(t)
  const watches = [watcher(), watcher()] as const
  const done = watches.map((watch) => world.images.ensure(wish('app:1'), watch))
  const { res } = await world.pull(0)
  await eventually(() => {
    for (const { said } of watches) assert.deepEqual(said, ['pulling app:1: 0 of 1 layers'])
  })
  res.end('{"status":"Pull complete","id":"a"}\n')
  await Promise.all(done)
  assert.equal(world.pulls.length, 1)
})

test('a transfer ends when the last one who wanted it is gone, not before', async (t) => {
  const world = await World.open(t)
  const [first, second] = [watcher(), watcher()]
  const ends = [first, second].map((watch) =>
    assert.rejects(world.images.ensure(wish('app:1'), watch), isEngineFault),
  )
  const pull = await world.pull(0)
  first.controller.abort()
  await ends[0]
  assert.equal(pull.isAborted, false)
  second.controller.abort()
  await ends[1]
  await eventually(() => assert.equal(pull.isAborted, true))
})

test('credentials go with the transfer, and other credentials are another transfer', async (t) => {
  const world = await World.open(t)
  const done = [null, 'bWUK'].map((auth) => world.images.ensure(wish('app:1', auth), watcher()))
  const pulls = [await world.pull(0), await world.pull(1)]
  assert.deepEqual(new Set(pulls.map(({ auth }) => auth)), new Set([undefined, 'bWUK']))
  for (const { res } of pulls) res.end()
  await Promise.all(done)
})

test('a registry that said no is not asked again, one that did not answer is', async (t) => {
  const world = await World.open(t)
  const cases = [
    ['manifest for app:1 not found: manifest unknown', false],
    ['pull access denied for app, repository does not exist', false],
    ['Get "http://127.0.0.1:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused', true],
    ['Get "https://r.example/v2/": net/http: request canceled (Client.Timeout exceeded)', true],
    ['received unexpected HTTP status: 503 Service Unavailable', true],
  ] as const
  for (const [at, [error, isWorthATry]] of cases.entries()) {
    const ended = world.images.ensure(wish('app:1'), watcher()).catch((fault: unknown) => fault)
    const { res } = await world.pull(at)
    res.end(`${JSON.stringify({ error })}\n`)
    const fault = await ended
    assert.equal(mayPass(fault), isWorthATry, error)
    assert.ok(isEngineFault(fault) && fault.fault.because.includes(error))
  }
})

test('a registry that says nothing is told of, given up in time, and not the engine blamed', async (t) => {
  const world = await World.open(t)
  const watch = watcher()
  const ended = world.images.ensure(wish('app:1'), watch).catch((fault: unknown) => fault)
  const pull = await world.pull(0)
  await eventually(() => assert.equal(watch.said.length, 1))
  world.clock.advance(12_000)
  assert.equal(watch.said.at(-1), 'pulling app:1: 0 of 1 layers: no word for 10 s')
  pull.res.write('{"status":"Downloading","id":"a"}\n')
  await eventually(() => assert.equal(watch.said.at(-1), 'pulling app:1: 0 of 1 layers'))
  world.clock.advance(170_000)
  assert.equal(pull.isAborted, false)
  world.clock.advance(15_000)
  const fault = await ended
  assert.ok(isEngineFault(fault) && mayPass(fault))
  assert.match(
    fault.fault.because,
    /No such image: app:1, and it cannot be pulled: no word for 18\d s/,
  )
  await eventually(() => assert.equal(pull.isAborted, true))
})

test('a transfer that never ends is given up, however much is said', async (t) => {
  const world = await World.open(t)
  const watch = watcher()
  const ended = world.images.ensure(wish('app:1'), watch).catch((fault: unknown) => fault)
  const { res } = await world.pull(0)
  res.on('error', () => {})
  for (let minute = 0; minute < 30; minute++) {
    const { length } = watch.said
    res.write('{"status":"Downloading","id":"a"}\n')
    await eventually(() => assert.ok(watch.said.length > length))
    world.clock.advance(60_000)
  }
  const fault = await ended
  assert.ok(isEngineFault(fault) && mayPass(fault))
  assert.match(fault.fault.because, /not done after 30 minutes/)
})
