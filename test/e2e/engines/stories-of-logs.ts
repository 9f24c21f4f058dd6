import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { eventually } from '../../support/daemon.ts'
import type { Machine } from '../../support/engine-stage.ts'
import { lines } from '../../support/meshctl.ts'
import { create, ok, onlyOf, patienceMs, remove, type Story, spreads } from './telling.ts'

/** Says who it is, on both of its streams, then counts. */
export const talk = [
  ...['busybox', 'sh', '-c'],
  'echo "start $MESH_SLOT"; echo "err $MESH_SLOT" >&2; n=0; while :; do n=$((n+1)); echo "tick $MESH_SLOT $n"; sleep 0.2; done',
]

/** Lines that tasks begin with, of whatever is around them; sorted. */
export const starts = (text: string): readonly string[] =>
  [...text.matchAll(/^.*start \d/gm)].map(([start]) => start).sort()

/** Somebody who reads the lines of a service as they come. */
export class Follower implements Disposable {
  readonly #child: ChildProcess
  out = ''
  err = ''

  constructor({ daemon }: Machine, service: string) {
    const meshctl = join(import.meta.dirname, '../../../bin/meshctl')
    const words = ['service', 'logs', '--follow', '--tail', '2', service]
    this.#child = spawn(meshctl, ['-H', `unix://${daemon.socketPath}`, ...words])
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.out += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.err += chunk.toString()))
  }

  shows(pattern: RegExp): Promise<void> {
    return eventually(`it shows ${pattern}`, patienceMs, () => pattern.test(this.out))
  }

  warns(pattern: RegExp): Promise<void> {
    return eventually(`it warns ${pattern}`, patienceMs, () => pattern.test(this.err))
  }

  async goesOn(): Promise<void> {
    const { length } = this.out
    await eventually('more lines come', patienceMs, () => this.out.length > length)
  }

  /** No line came twice. */
  assertNoEcho(): void {
    const ticks = this.out.split('\n').filter((line) => line.includes(' tick '))
    assert.equal(new Set(ticks).size, ticks.length, 'a line came twice')
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGTERM')
  }
}

/** They leave `chat`, which talks on every machine. */
export const storiesOfLogs: readonly Story[] = [
  {
    name: 'what all machines printed is merged in the order of time, stream by stream',
    async tell(stage) {
      await create(stage, 'chat', ['--replicas', '3'], talk)
      await spreads(stage, 'chat', [1, 1, 1])
      for (const { daemon } of stage.machines) {
        const words = ['service', 'logs', '--raw', '--timestamps', 'chat']
        const { code, stdout, stderr } = await daemon.meshctl(...words)
        assert.equal(code, 0, stderr)
        for (const slot of [1, 2, 3]) {
          assert.match(stdout, new RegExp(`Z start ${slot}\n`))
          assert.match(stderr, new RegExp(`Z err ${slot}\n`))
        }
        const times = stdout.match(/^\S+/gm) ?? []
        assert.deepEqual(times, times.toSorted())
      }
    },
  },
  {
    name: "lines are named as docker's own CLI names them, with its flags",
    isByDocker: true,
    async tell({ machines: [first, second] }) {
      const ours = await ok(second, 'service', 'logs', 'chat')
      const docker = async (...words: string[]): Promise<string> => {
        const { code, stdout, stderr } = await second.daemon.docker('service', 'logs', ...words)
        assert.equal(code, 0, stderr)
        return stdout
      }
      const theirs = starts(await docker('chat'))
      assert.equal(theirs.length, 3)
      assert.deepEqual(starts(ours), theirs)
      assert.match(ours, /^chat\.1\.[0-9a-z]{12}@n\d {4}\| start 1$/m)
      const [task = ''] = await lines(first.daemon, 'service', 'ps', '-q', '--no-trunc', 'chat')
      const variants = [['--details'], ['-t', '--tail', '1'], ['--no-task-ids', '--no-resolve']]
      for (const flags of variants) assert.match(await docker(...flags, task), /tick \d \d+\n/)
    },
  },
  {
    name: 'a log that its driver keeps from us is told of as such',
    only: 'docker',
    async tell(stage) {
      const [, second] = stage.machines
      await create(stage, 'secretive', ['--log-driver', 'none'], talk)
      await onlyOf(stage, 'secretive')
      const { stderr } = await second.daemon.meshctl('service', 'logs', 'secretive')
      assert.match(stderr, /secretive\.1.*logging driver does not support reading/)
      await remove(stage, 'secretive')
    },
  },
  {
    name: 'tasks that start later join a stream',
    async tell(stage) {
      const [first, second] = stage.machines
      using follower = new Follower(first, 'chat')
      for (const { name } of stage.machines) await follower.shows(new RegExp(`@${name} .*tick`))
      await ok(second, 'service', 'scale', '--detach', 'chat=4')
      await follower.shows(/start 4$/m)
      follower.assertNoEcho()
      await ok(second, 'service', 'scale', '--detach', 'chat=3')
      await spreads(stage, 'chat', [1, 1, 1])
    },
  },
]
