import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, eventually, isUp, joinLine, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'

async function ok(daemon: Daemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

const isReady = async (asked: Daemon, name: string): Promise<boolean> => {
  const lines = await ok(asked, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}')
  return lines.split('\n').includes(`${name} Ready`)
}

/** Asks until it is told to end; every fault is kept. */
async function askAll(nodes: readonly Daemon[], signal: AbortSignal): Promise<string[]> {
  const ask = async ({ address }: Daemon): Promise<string[]> => {
    const faults: string[] = []
    let answers = 0
    while (!signal.aborted) {
      const status = await get(`http://${address}:8080/`).then(
        (answer) => answer.status,
        (error: unknown) => String(error),
      )
      if (status === 200) answers++
      else faults.push(`${address}: ${status}`)
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    return answers < 50 ? [...faults, `${address}: only ${answers} answers`] : faults
  }
  return (await Promise.all(nodes.map(ask))).flat()
}

const keyLine = (pem: string): string => pem.split('\n')[3] ?? ''

test('the CA is replaced by one of openssl under traffic, through a crash, with a node away', async () => {
  await using cluster = new Cluster('127.0.54')
  const n1 = await cluster.startNode('manager')
  const n2 = await cluster.startNode('worker')
  const n3 = await cluster.startNode('worker')
  const before = await ok(n1, 'swarm', 'ca')
  const oldLine = await joinLine(n1, 'worker')
  // Not on n1: a process ends with its daemon, which is killed below, and resets whom it answers.
  const elsewhere = 'service create --name web --constraint node.role==worker --replicas 4'
  await ok(n1, ...elsewhere.split(' '), '-p', '8080:80', 'meshd/whoami')
  await n3.killNode()
  await eventually('n3 is down', 20_000, async () => !(await isReady(n1, 'n3')))
  await eventually('its tasks run elsewhere', 40_000, async () => {
    const { stdout } = await n1.meshctl('service', 'ls', '--format', '{{.Replicas}}')
    return stdout.trim() === '4/4'
  })

  const [certFile, keyFile] = [join(cluster.dir, 'ca.pem'), join(cluster.dir, 'ca.key')]
  const make =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ours -days 99'
  execFileSync('openssl', [...make.split(' '), '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  })
  const over = new AbortController()
  const traffic = askAll([n1, n2], over.signal)
  const given = ['--rotate', '--ca-cert', certFile, '--ca-key', keyFile]
  await ok(n1, 'swarm', 'ca', '--detach', ...given)
  const second = await n1.meshctl('swarm', 'ca', '--rotate')
  assert.match(second.stderr, /under way/)
  // The ingress goes on; the next daemon goes on with the rotation.
  await n1.killDaemon()
  n1.start()
  await isUp(n1)
  await eventually('it ends although a node is down', 90_000, async () => {
    return (await ok(n1, 'swarm', 'ca')) === readFileSync(certFile, 'utf8').trim()
  })
  await new Promise((resolve) => setTimeout(resolve, 2000))
  over.abort()
  assert.deepEqual(await traffic, [])

  n3.start()
  await isUp(n3)
  await eventually('n3 is back with a new certificate', 60_000, () => isReady(n1, 'n3'))
  await eventually('it is in the routes of all', 20_000, async () => {
    const { status } = await get(`http://${n3.address}:8080/`)
    return status === 200
  })

  const late = cluster.add()
  late.start(oldLine)
  await late.exited()
  assert.notEqual(late.exitCode, 0)
  assert.match(late.log(), /belongs to another cluster than the token/)
  const n5 = await cluster.startNode('worker')
  await eventually('who has the new token is in', 20_000, () => isReady(n1, n5.options.name))

  const printed = await ok(n1, 'swarm', 'ca', '--rotate', '-q')
  assert.ok(printed.startsWith('-----BEGIN CERTIFICATE-----') && printed !== before)
  const secret = keyLine(readFileSync(keyFile, 'utf8'))
  for (const daemon of cluster.daemons) {
    assert.equal(daemon.log().includes(secret) || daemon.log().includes('PRIVATE KEY'), false)
  }
})
