import assert from 'node:assert/strict'
import type { EngineStage, Machine } from '../../support/engine-stage.ts'
import { lines } from '../../support/meshctl.ts'
import type { Story } from './telling.ts'
import { starts, talk } from './stories-of-logs.ts'

export const storyOfDocker: Story = {
  name: "docker's own CLI works on a manager that does not lead",
  isByDocker: true,
  async tell(stage) {
    const follower = await followerOf(stage)
    const docker = async (...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await follower.daemon.docker(...words)
      assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
      return stdout
    }
    assert.match(await docker('info'), /Swarm: active[\s\S]*Managers: 3\s+Nodes: 3/)
    assert.match(await docker('node', 'inspect', 'self'), /"Role": "manager"/)
    assert.match(await docker('node', 'ls'), /n1 +Ready[\s\S]*n2 +Ready[\s\S]*n3 +Ready/)
    const flags = ['--quiet', '--no-resolve-image', '--update-monitor', '1s', '--name', 'cli']
    const talking = ['--stop-signal', 'SIGKILL', '--replicas', '3', ...talk]
    await docker('service', 'create', ...flags, ...talking)
    assert.match(await docker('service', 'ls'), /cli +replicated +3\/3 +busybox/)
    const update = ['--quiet', '--no-resolve-image', '--label-add', 'a=b', '--replicas', '4']
    await docker('service', 'update', ...update, 'cli')
    assert.match(await docker('service', 'ps', 'cli'), /cli\.4 .* Running /)
    await docker('service', 'rollback', '--quiet', 'cli')
    assert.match(await docker('service', 'ls'), /cli +replicated +3\/3 /)
    assert.match(await docker('service', 'inspect', '--pretty', 'cli'), /Name:\s+cli/)
    assert.match(await docker('node', 'ps', 'n1', 'n2', 'n3'), /cli\.\d/)
    const said = starts(await docker('service', 'logs', 'cli'))
    const slots = new Set(said.map((line) => line.at(-1)))
    for (const slot of ['1', '2', '3']) assert.ok(slots.has(slot), said.join())
    await docker('service', 'rm', 'cli')
  },
}

async function followerOf({ machines }: EngineStage): Promise<Machine> {
  const format = '{{.Hostname}} {{.ManagerStatus}}'
  const rows = await lines(machines[0].daemon, 'node', 'ls', '--format', format)
  const follower = machines.find(({ name }) => rows.includes(`${name} Reachable`))
  assert.ok(follower, rows.join())
  return follower
}
