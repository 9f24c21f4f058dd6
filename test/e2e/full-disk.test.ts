import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, eventually, isUp, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot && process.env['MESH_REQUIRE_ROOT'] === '1') {
  throw new Error('MESH_REQUIRE_ROOT is set, and this user may mount nothing')
}
const skip = isRoot ? false : 'mounting a small disk needs root'

/** A file that takes all that is left. */
function fill(path: string): void {
  const block = Buffer.alloc(1 << 20)
  const blocks = 256
  for (let size = block.length; size >= 1; size = Math.floor(size / 4)) {
    for (let at = 0; at < blocks; at++) {
      try {
        writeFileSync(path, block.subarray(0, size), { flag: 'a' })
      } catch {
        break
      }
    }
  }
}

const create = (daemon: Daemon, name: string) =>
  daemon.meshctl('service', 'create', '--detach', '--name', name, 'meshd/whoami')

test(
  'a full disk refuses changes, services go on, and room is all that it needs',
  { skip },
  async () => {
    await using cluster = new Cluster('127.0.45')
    const daemon = cluster.add()
    const data = join(daemon.options.dir, 'data')
    mkdirSync(data)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'tmpfs', data])
    try {
      daemon.start()
      await isUp(daemon)
      const web = ['--name', 'web', '-p', '8080:80', 'meshd/whoami']
      const created = await daemon.meshctl('service', 'create', ...web)
      assert.equal(created.code, 0, created.stderr)
      const filler = join(data, 'filler')
      fill(filler)
      await eventually('changes are refused', 15_000, async () => {
        const { code, stderr } = await create(daemon, 'refused')
        return code === 1 && stderr.includes(data) && /disk .* is full/.test(stderr)
      })
      const { status } = await get(`http://${daemon.address}:8080/`)
      assert.equal(status, 200, 'the service goes on')
      const { code, stderr } = await daemon.meshctl('service', 'ls')
      assert.equal(code, 0, stderr)

      rmSync(filler)
      await eventually('changes are taken again', 15_000, async () => {
        return (await create(daemon, 'after')).code === 0
      })
      const { pid } = daemon
      await daemon.stop()
      daemon.start()
      await isUp(daemon)
      assert.notEqual(daemon.pid, pid)
      const list = await daemon.meshctl('service', 'ls', '--format', '{{.Name}}')
      assert.deepEqual(list.stdout.trim().split('\n').toSorted(), ['after', 'web'])
    } finally {
      await daemon.stop()
      execFileSync('umount', ['-l', data])
    }
  },
)
