import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { callersOf, identityOf, tryEverything } from '../support/authority-table.ts'
import { Cluster, eventually, isUp, joinLine, runProgram, type Daemon } from '../support/daemon.ts'
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

/** The one that begins with a cell for managers, without what the formatter adds. */
const tableIn = (text: string): string[] =>
  (/^\| +\| manager[^]*?\n(?=\n)/m.exec(text)?.[0] ?? '')
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' ').replace(/-{3,}/g, '---'))

const keyLine = (pem: string): string => pem.split('\n')[3] ?? ''

test('the CA is replaced by one of openssl under traffic, through a crash, with a node away', async () => {
  await using cluster = new Cluster('127.0.54')
  const n1 = await cluster.startNode('manager')
  const n2 = await cluster.startNode('worker')
  const n3 = await cluster.startNode('worker')
  const before = await ok(n1, 'swarm', 'ca')
  const oldLine = await joinLine(n1, 'worker')
  await ok(n1, ...'service create --name web --replicas 4 -p 8080:80 meshd/whoami'.split(' '))
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

  const removed = identityOf(n5)
  await ok(n1, 'node', 'rm', '--force', n5.options.name)
  await n5.exited()
  const [caCertificatePem, caKeyPem] = [certFile, keyFile].map((file) => readFileSync(file, 'utf8'))
  assert.ok(caCertificatePem !== undefined && caKeyPem !== undefined)
  const callers = callersOf({
    ...{ manager: identityOf(n1), worker: identityOf(n2), removed },
    authority: { caCertificatePem, caKeyPem },
  })
  const table = await tryEverything(n3, callers)
  console.log(table.join('\n'))
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  assert.deepEqual(table, tableIn(readme))

  // Only to a terminal docker shows how far it has got.
  const command = `docker -H unix://${n1.socketPath} swarm ca --rotate`
  const { stdout: shown } = await runProgram('script', ['-qec', command, '/dev/null'])
  assert.match(shown, /desired root digest: sha256:/)
  assert.match(shown, /rotated TLS certificates:[^\n]*3\/3 nodes/)
  assert.match(shown, /rotated CA certificates:[^\n]*3\/3 nodes/)
  const printed = await ok(n1, 'swarm', 'ca')
  assert.ok(shown.replaceAll('\r', '').trim().endsWith(printed) && printed !== before)
  const described = await n1.docker('node', 'inspect', '--pretty', 'n2')
  assert.ok(described.stdout.includes(printed), 'docker shows the root that n2 trusts')
  const secret = keyLine(readFileSync(keyFile, 'utf8'))
  for (const daemon of cluster.daemons) {
    assert.equal(daemon.log().includes(secret) || daemon.log().includes('PRIVATE KEY'), false)
  }
})
