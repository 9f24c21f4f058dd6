import assert from 'node:assert/strict'
import { eventually, runProgram } from '../../support/daemon.ts'
import type { EngineStage } from '../../support/engine-stage.ts'
import {
  create,
  gone,
  ok,
  onlyOf,
  patienceMs,
  placesOf,
  spreads,
  type Story,
  taskSays,
} from './telling.ts'

const sleeping = ['sleep', '600']

/** Into its registry, and away from the engine. */
async function publish({ machines, registries }: EngineStage, image: string): Promise<void> {
  const { engine } = machines[0]
  assert.ok(engine)
  await engine.docker('tag', 'busybox:latest', image)
  const words = ['--config', registries.logins, '-H', `unix://${engine.socket}`, 'push', '-q']
  const { code, stderr } = await runProgram('docker', [...words, image])
  assert.equal(code, 0, stderr)
  await engine.docker('rmi', image)
}

/** As docker's client asks for it: by the digest that the registry says. */
async function createByDocker(
  { machines: [, { daemon }] }: EngineStage,
  name: string,
  ...words: string[]
): Promise<void> {
  const flags = ['-qd', '--stop-signal', 'SIGKILL', '--name', name]
  const { code, stderr } = await daemon.docker('service', 'create', ...flags, ...words)
  assert.equal(code, 0, stderr)
}

const imageOf = async (stage: EngineStage, service: string): Promise<string> => {
  const { Spec } = await stage.ask(stage.machines[0], (client) => client.service(service))
  return Spec.TaskTemplate.ContainerSpec.Image
}

async function isPinned(stage: EngineStage, service: string, image: string): Promise<void> {
  assert.match((await imageOf(stage, service)).replace(image, ''), /^@sha256:[0-9a-f]{64}$/)
}

/** Where images come from, and what becomes of tasks whose image does not come. */
export const storiesOfImages: readonly Story[] = [
  {
    name: 'an image is pinned by its digest, pulled, and used though its registry is down',
    only: 'docker',
    async tell(stage) {
      const [first] = stage.machines
      const { open } = stage.registries
      const image = `${open.host}/app:1`
      await publish(stage, image)
      await createByDocker(stage, 'pinned', '--replicas', '3', image, ...sleeping)
      await spreads(stage, 'pinned', [1, 1, 1])
      await isPinned(stage, 'pinned', image)
      await open.stop()
      await ok(first, 'service', 'scale', '-d', 'pinned=6')
      await spreads(stage, 'pinned', [2, 2, 2])
      await gone(stage, 'pinned')
      await open.start()
    },
  },
  {
    name: 'meshctl pins as docker does, with its login, and goes by the name where it cannot',
    only: 'docker',
    async tell(stage) {
      const [, { daemon }] = stage.machines
      const { closed } = stage.registries
      const image = `${closed.host}/own:1`
      await publish(stage, image)
      const flags = ['-d', '--stop-signal', 'SIGKILL', '--with-registry-auth', '--name', 'login']
      const words = ['service', 'create', ...flags, '--replicas', '3', image, ...sleeping]
      const made = await daemon.meshctl(...words)
      assert.deepEqual([made.code, made.stderr], [0, ''])
      await isPinned(stage, 'login', image)
      await spreads(stage, 'login', [1, 1, 1])
      const local = `${closed.host}/local:1`
      for (const { engine } of stage.machines) await engine?.docker('tag', 'busybox:latest', local)
      const update = (...more: string[]): ReturnType<typeof daemon.meshctl> =>
        daemon.meshctl('service', 'update', '-d', ...more, 'login')
      const faster = ['--update-parallelism', '0', '--update-order', 'start-first']
      const byName = await update('--image', local, ...faster)
      assert.equal(byName.code, 0, byName.stderr)
      assert.match(byName.stderr, /local:1 could not be accessed on a registry/)
      assert.equal(await imageOf(stage, 'login'), local)
      await spreads(stage, 'login', [1, 1, 1])
      const asIs = await update('--no-resolve-image', '--image', image)
      assert.deepEqual([asIs.code, asIs.stderr], [0, ''])
      assert.equal(await imageOf(stage, 'login'), image)
      const back = await update('--with-registry-auth', '--image', `${closed.host}/none:1`)
      assert.match(back.stderr, /none:1 could not be accessed on a registry/)
      await gone(stage, 'login')
    },
  },
  {
    name: 'a pull that fails says where and why, and is tried again until it works',
    only: 'docker',
    async tell(stage) {
      const { fragile } = stage.registries
      const image = `${fragile.host}/late:1`
      await fragile.stop()
      await create(stage, 'late', [], [image, ...sleeping])
      const says =
        /^preparing \| tries again in \d s \| No such image: 198\S+\/late:1.*on node n[123]/
      await taskSays(stage, 'late', says)
      await fragile.start()
      await publish(stage, image)
      await onlyOf(stage, 'late')
      await gone(stage, 'late')
      await create(stage, 'never', [], [`${fragile.host}/never:1`, ...sleeping])
      await taskSays(stage, 'never', /^rejected .*No such image: .*never:1/)
      await gone(stage, 'never')
    },
  },
  {
    name: 'credentials come with the service, reach every machine, and are shown to nobody',
    only: 'docker',
    async tell(stage) {
      const { closed, password } = stage.registries
      const image = `${closed.host}/private:1`
      await publish(stage, image)
      const once = ['--restart-condition', 'none', '--replicas', '3']
      await create(stage, 'shut', once, [image, ...sleeping])
      await taskSays(stage, 'shut', /^rejected .*(no basic auth|unauthorized|denied)/)
      await createByDocker(stage, 'member', '--with-registry-auth', ...once, image, ...sleeping)
      await isPinned(stage, 'member', image)
      await spreads(stage, 'member', [1, 1, 1])
      const secret = Buffer.from(password).toString('base64').slice(0, 6)
      const shown = [
        await ok(stage.machines[0], 'service', 'inspect', 'member'),
        JSON.stringify(await placesOf(stage, 'member')),
        ...stage.machines.map(({ daemon }) => daemon.log()),
      ].join('\n')
      for (const word of ['PullOptions', 'RegistryAuth', password, secret]) {
        assert.ok(!shown.includes(word), word)
      }
      await gone(stage, 'shut', 'member')
    },
  },
  {
    name: 'a registry that accepts and says nothing is told of, and keeps no task that is unwanted',
    only: 'docker',
    async tell(stage) {
      const image = `${stage.registries.silent.host}/mute:1`
      await create(stage, 'mute', [], [image, ...sleeping])
      await taskSays(stage, 'mute', /^preparing \| pulling \S+mute:1: no word for \d+ s/)
      await gone(stage, 'mute')
      await eventually('no task of it is left', patienceMs, async () => {
        const tasks = await stage.ask(stage.machines[0], (client) => client.tasks())
        return tasks.every(({ Spec }) => Spec.ContainerSpec.Image !== image)
      })
    },
  },
]
