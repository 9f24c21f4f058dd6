import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { silentLog } from '../../../mesh/base/log.ts'
import { joinAlpn } from '../../../mesh/transport/control-protocol.ts'
import { ControlListener } from '../../../mesh/transport/control-listener.ts'
import { parseHostPort } from '../../../mesh/transport/host-address.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { TestCluster } from '../identity/test-cluster.ts'

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve())
    socket.resume()
  })

test('who never ends its handshake loses its connection, silent or byte by byte', async () => {
  const cluster = new TestCluster()
  const listener = await ControlListener.open(
    {
      identity: await cluster.member(),
      listen: { host: '127.0.0.1', port: 0 },
      isMember: () => false,
      onJoin: () => Promise.resolve({ kind: 'refused', reason: 'no' }),
      onRenewal: () => Promise.resolve({ kind: 'removed' }),
      onApiConnection: (socket) => socket.destroy(),
      handshakeTimeoutMs: 500,
    },
    { clock: systemClock, log: silentLog },
  )
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
