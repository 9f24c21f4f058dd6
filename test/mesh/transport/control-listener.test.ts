import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { silentLog, type Log } from '../../../mesh/base/log.ts'
import { joinAlpn } from '../../../mesh/transport/control-protocol.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import { ControlListener } from '../../../mesh/transport/control-listener.ts'
import { parseHostPort } from '../../../mesh/transport/host-address.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { TestCluster } from '../identity/test-cluster.ts'

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve())
    socket.resume()
  })

async function open(log: Log = silentLog): Promise<ControlListener> {
  const cluster = new TestCluster()
  return ControlListener.open(
    {
      identity: await cluster.member(),
      listen: { host: '127.0.0.1', port: 0 },
      isMember: () => false,
      onJoin: () => Promise.resolve({ kind: 'refused', reason: 'no' }),
      onRenewal: () => Promise.resolve({ kind: 'removed' }),
      onApiConnection: (socket) => socket.destroy(),
      handshakeTimeoutMs: 500,
    },
    { clock: systemClock, log },
  )
}

test('who never ends its handshake loses its connection, silent or byte by byte', async () => {
  const listener = await open()
  try {
    const address = parseHostPort(listener.address)
    assert.ok(address !== null)
    const silent = connect(address)
    const slow = connect(address)
    // A record of a handshake that claims 512 bytes, of which hardly any ever come.
    slow.write(Uint8Array.of(22, 3, 1, 2, 0))
    const trickle = setInterval(() => slow.write(Uint8Array.of(1)), 50)
    await Promise.all([silent, slow].map(closed))
    clearInterval(trickle)
    const other = connectTls({ ...address, ALPNProtocols: [joinAlpn], rejectUnauthorized: false })
    await once(other, 'secureConnect')
    other.destroy()
  } finally {
    await listener.close()
  }
})

test('one address cannot keep the others out by handshakes that it never ends', async () => {
  const reasons = new Set<unknown>()
  const listener = await open({ ...silentLog, warn: ({ reason }) => reasons.add(reason) })
  try {
    const address = parseHostPort(listener.address)
    assert.ok(address !== null)
    const all = Array.from({ length: 160 }, () => connect(address))
    const over = Promise.all(all.map(closed))
    await eventually(() => assert.ok(reasons.has('too many strangers at once')))
    const ALPNProtocols = [joinAlpn]
    const other = connectTls({
      ...{ ...address, ALPNProtocols, localAddress: '127.0.0.2', rejectUnauthorized: false },
    })
    await once(other, 'secureConnect')
    other.destroy()
    await over
    const again = connectTls({ ...address, ALPNProtocols, rejectUnauthorized: false })
    await once(again, 'secureConnect')
    again.destroy()
  } finally {
    await listener.close()
  }
})

test('a connection ends when its member would not be let in any more', async () => {
  const [cluster, clock] = [new TestCluster(), new FakeClock()]
  const offsetMs = clock.nowMs() - Date.now()
  const at = (ms: number): number => Date.now() + offsetMs + ms
  const issued = { nowMs: at(0) }
  const [self, removed, kept, old] = [
    await cluster.member(issued),
    await cluster.member(issued),
    await cluster.member(issued),
    await cluster.member({ nowMs: at(-90 * 24 * 3_600_000 + 60_000) }),
  ]
  const gone = new Set<string>()
  const listener = await ControlListener.open(
    {
      identity: self,
      listen: { host: '127.0.0.1', port: 0 },
      isMember: (node) => !gone.has(node),
      onJoin: () => Promise.resolve({ kind: 'refused', reason: 'no' }),
      onRenewal: () => Promise.resolve({ kind: 'removed' }),
      onApiConnection: (socket) => socket.write('hello'),
    },
    { clock, log: silentLog },
  )
  const ended: string[] = []
  const open = async (name: string, member: NodeIdentity): Promise<void> => {
    const address = parseHostPort(listener.address)
    const own = clientTlsOptions(member, { alpn: ['http/1.1'] })
    const socket = connectTls({ ...own, ...address, rejectUnauthorized: false })
    socket.on('error', () => {}).once('close', () => ended.push(name))
    await once(socket, 'data')
    socket.resume()
  }
  try {
    await open('removed', removed)
    await open('kept', kept)
    await open('old', old)
    await clock.run(10_000)
    assert.deepEqual(ended, [])
    gone.add(removed.nodeId)
    await clock.run(2000)
    await eventually(() => assert.deepEqual(ended, ['removed']))
    await clock.run(120_000)
    await eventually(() => assert.deepEqual(ended, ['removed', 'old']))
    const next = new TestCluster(1, at(0)).authority.caCertificatePem
    listener.useIdentity({ ...self, caCertificatesPem: [next] })
    await clock.run(5000)
    assert.deepEqual(ended, ['removed', 'old'], 'a call may end')
    await clock.run(30_000)
    await eventually(() => assert.deepEqual(ended, ['removed', 'old', 'kept']))
  } finally {
    await listener.close()
  }
})
