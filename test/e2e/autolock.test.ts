import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, eventually, isUp, runProgram, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { runningTasks } from '../support/meshctl.ts'

const meshctlPath = join(import.meta.dirname, '../../bin/meshctl')

async function ok(daemon: Daemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

const isLocked = async (daemon: Daemon): Promise<boolean> => {
  const { code, stdout } = await daemon.meshctl('info', '--format', '{{.Swarm.LocalNodeState}}')
  return code === 0 && stdout.trim() === 'locked'
}

/** The key comes from standard input, never from the arguments. */
const unlock = (daemon: Daemon, key: string) =>
  runProgram(
    'sh',
    [
      '-c',
      'printf "%s\\n" "$KEY" | "$0" -H "unix://$1" swarm unlock',
      meshctlPath,
      daemon.socketPath,
    ],
    {
      env: { KEY: key },
    },
  )

const dataOf = (daemon: Daemon): string => join(daemon.options.dir, 'data')

function filesUnder(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true })
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []))
}

function assertNoKeysInClear(daemon: Daemon): void {
  for (const path of filesUnder(dataOf(daemon))) {
    const bytes = readFileSync(path)
    for (const word of ['PRIVATE KEY', 'libp2pPrivateKey', 'gossipKeys', 'SWMKEY', 'CaKeyPem']) {
      assert.equal(bytes.includes(word), false, `${word} in ${path}`)
    }
    if (path.endsWith('storage.key')) assert.equal(bytes.subarray(0, 8).toString(), 'MESHLCK1')
    if (path.endsWith('lock.json')) assert.match(bytes.toString(), /"isSealed":true/)
  }
}

const lockOf = (daemon: Daemon): string => {
  try {
    return readFileSync(join(dataOf(daemon), 'lock.json'), 'utf8')
  } catch {
    return ''
  }
}

const hasLocked = (daemon: Daemon): boolean => lockOf(daemon).includes('"isSealed":true')

test('managers that were killed wait for the key, and go on when each has been given it', async () => {
  await using cluster = new Cluster('127.0.55')
  const n1 = cluster.add()
  n1.start(undefined, ['--autolock'])
  await isUp(n1)
  const n2 = await cluster.startNode('manager')
  const n3 = await cluster.startNode('manager')
  const managers = [n1, n2, n3]
  const worker = await cluster.startNode('worker')
  const first = await ok(n2, 'swarm', 'unlock-key', '-q')
  assert.match(first, /^SWMKEY-1-[A-Za-z0-9+/]{43}$/)
  assert.ok(n1.log().includes(first), 'the founder tells its operator')
  await eventually('all three are locked', 15_000, () => managers.every(hasLocked))
  assert.equal(lockOf(worker), '', 'a worker is not')
  await ok(
    n1,
    'service',
    'create',
    '--name',
    'web',
    '--replicas',
    '3',
    '-p',
    '8080:80',
    'meshd/whoami',
  )
  for (const manager of managers) assertNoKeysInClear(manager)

  await Promise.all(managers.map((manager) => manager.killNode()))
  for (const manager of managers) manager.start()
  for (const manager of managers) {
    await eventually('it says that it is locked', 20_000, () => isLocked(manager))
    assert.match(manager.log(), /swarm unlock/)
  }
  const refused = await n1.meshctl('node', 'ls')
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /needs to be unlocked/)
  const wrong = await unlock(n1, `SWMKEY-1-${'A'.repeat(43)}`)
  assert.notEqual(wrong.code, 0)
  assert.match(wrong.stderr, /invalid key/)
  assert.equal(await isLocked(n1), true)

  for (const manager of [n1, n2]) {
    const { code, stderr } = await unlock(manager, first)
    assert.equal(code, 0, stderr)
  }
  for (const manager of [n1, n2]) await isUp(manager)
  await eventually('the service is back with two of three', 40_000, async () => {
    return (
      (await runningTasks(n1, 'web')) === 3 &&
      (await get(`http://${n1.address}:8080/`)).status === 200
    )
  })

  // The third one is down while the key changes: it starts with the key that it knows.
  const second = await ok(n1, 'swarm', 'unlock-key', '--rotate', '-q')
  assert.notEqual(second, first)
  assert.notEqual((await unlock(n3, second)).code, 0)
  const before = lockOf(n3)
  assert.equal((await unlock(n3, first)).code, 0)
  await isUp(n3)
  await eventually('and then has the new one', 20_000, () => lockOf(n3) !== before)
  await n3.killNode()
  n3.start()
  await eventually('it is locked again', 20_000, () => isLocked(n3))
  assert.notEqual((await unlock(n3, first)).code, 0)
  assert.equal((await unlock(n3, second)).code, 0)
  await isUp(n3)
  const again = await unlock(n3, second)
  assert.equal(again.code, 4)
  assert.match(again.stderr, /not locked/)

  await ok(n2, 'swarm', 'update', '--autolock=false')
  await eventually('no manager is locked', 20_000, () => !managers.some(hasLocked))
  await n2.killNode()
  n2.start()
  await isUp(n2)
  const none = await n2.meshctl('swarm', 'unlock-key')
  assert.match(none.stderr, /no unlock key/)
  for (const { log } of managers.map((manager) => ({ log: manager.log() }))) {
    assert.equal(log.includes(second), false, 'no key is ever in a log')
  }
})
