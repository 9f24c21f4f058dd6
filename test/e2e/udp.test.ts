import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cluster, type Daemon } from '../support/daemon.ts'
import {
  dockerUnavailable,
  startDockerEngine,
  type DockerEngineHandle,
} from '../support/docker-engine.ts'
import { lines } from '../support/meshctl.ts'

const port = 15353
const targetPort = 5353
/** Says which task it is and sends back what it got; ends when it is told to. */
const program = `
const socket = require('node:dgram').createSocket('udp4')
socket.on('message', (bytes, { address, port }) =>
  socket.send(process.env.MESH_TASK + ' ' + bytes, port, address))
socket.bind(Number(process.env.PORT ?? ${targetPort}), process.env.HOST ?? '0.0.0.0')
process.once('SIGTERM', () => process.exit(0))
`

/** Asks until there is an answer, as every user of UDP must; the task that gave it. */
class Asker implements Disposable {
  readonly #socket = createSocket('udp4')
  readonly #address: string
  #asked = 0

  constructor(node: Daemon) {
    this.#address = node.address
  }

  async ask(): Promise<string> {
    const text = `question ${++this.#asked}`
    for (let attempt = 0; attempt < 100; attempt++) {
      this.#socket.send(text, port, this.#address)
      const signal = AbortSignal.timeout(200)
      const heard = (await once(this.#socket, 'message', { signal }).catch(() => [])) as Buffer[]
      const [task, ...rest] = (heard[0]?.toString() ?? '').split(' ')
      if (rest.join(' ') === text) return task ?? ''
    }
    throw new Error(`nobody at ${this.#address}:${port} answers`)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

for (const runtime of ['process', 'docker'] as const) {
  const skip = runtime === 'docker' ? (dockerUnavailable() ?? false) : false
  describe(`a published UDP port with ${runtime}`, { skip }, () => {
    const dir = mkdtempSync(join(tmpdir(), 'mdu-'))
    let engine: DockerEngineHandle | null = null
    let cluster: Cluster
    let nodes: Daemon[] = []

    before(async () => {
      if (runtime === 'docker') engine = await startDockerEngine({ name: 'udp', dir })
      const docker = engine === null ? {} : { dockerSocket: engine.socket }
      cluster = new Cluster('127.0.50', { runtime, ...docker })
      nodes = await cluster.startManagers(2)
    })

    after(async () => {
      await cluster?.[Symbol.asyncDispose]()
      await engine?.stop()
      rmSync(dir, { recursive: true, force: true })
    })

    const first = (): Daemon => nodes[0] as Daemon

    async function meshctl(...words: string[]): Promise<string> {
      const { code, stdout, stderr } = await first().meshctl(...words)
      assert.equal(code, 0, `meshctl ${words.join(' ')}: ${stderr}`)
      return stdout
    }

    const running = (): Promise<string[]> =>
      lines(
        first(),
        ...['service', 'ps', 'dns', '--no-trunc', '--filter', 'desired-state=running'],
        ...['--format', '{{.ID}}'],
      )

    test('is answered by every task, on every node', async () => {
      const node = runtime === 'docker' ? '/usr/bin/node' : 'node'
      await meshctl(
        ...['service', 'create', '--name', 'dns', '--replicas', '2'],
        ...['--publish', `${port}:${targetPort}/udp`, '--stop-grace-period', '1s'],
        ...['--label', `mesh.ingress.${port}.idle-timeout=30s`],
        ...['--entrypoint', node, 'meshd/whoami', '-e', program],
      )
      const tasks = (await running()).toSorted()
      assert.equal(tasks.length, 2)
      for (const each of nodes) {
        const seen = new Set<string>()
        for (let at = 0; at < 20; at++) {
          using asker = new Asker(each)
          seen.add(await asker.ask())
        }
        assert.deepEqual([...seen].toSorted(), tasks)
      }
    })

    test('keeps a client with its task, and moves it when that is replaced', async () => {
      const askers = [...nodes, ...nodes].map((each) => new Asker(each))
      const before = await Promise.all(askers.map((asker) => asker.ask()))
      assert.deepEqual(await Promise.all(askers.map((asker) => asker.ask())), before)
      await meshctl('service', 'update', '--force', 'dns')
      const tasks = await running()
      for (const asker of askers) {
        const task = await asker.ask()
        assert.ok(tasks.includes(task) && !before.includes(task))
        asker[Symbol.dispose]()
      }
    })

    test('is another port than the same number with TCP, and is given to one service', async () => {
      await meshctl(
        ...['service', 'create', '--name', 'web', '--publish', `${port}:80`, 'meshd/whoami'],
      )
      const answer = await fetch(`http://${first().address}:${port}/`)
      assert.match(await answer.text(), /^task: /)
      const taken = await first().meshctl(
        ...['service', 'create', '--publish', `${port}:1/udp`, 'meshd/whoami'],
      )
      assert.notEqual(taken.code, 0)
      assert.match(taken.stderr, new RegExp(`${port}/udp is taken[^]*dns`))
      using asker = new Asker(first())
      assert.ok((await running()).includes(await asker.ask()))
    })
  })
}
