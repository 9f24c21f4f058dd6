import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { standOnDoorstep } from '../../../mesh/transport/doorstep.ts'
import { knock, tryDoor, type Door } from '../../../mesh/transport/knock.ts'

const host = '127.0.39.1'
const word = '0123456789abcdef0123456789abcdef'
const doors: readonly Door[] = [
  { protocol: 'tcp', address: `${host}:2377` },
  { protocol: 'tcp', address: `${host}:7946` },
  { protocol: 'udp', address: `${host}:7946` },
]
const options = { host, tcpPorts: [2377, 7946], udpPort: 7946, word }

test('open doors answer with the word, and are free again afterwards', async () => {
  for (let round = 0; round < 2; round++) {
    await using _ = await standOnDoorstep(options)
    for (const door of doors) assert.equal(await knock(door, word), null, door.protocol)
    assert.equal(await tryDoor(`${host}:2377`), null)
  }
  assert.equal(await knock(doors[0] as Door, word), 'ECONNREFUSED')
  assert.equal(await tryDoor(`${host}:2377`), 'ECONNREFUSED')
})

test('a port that somebody else answers on is not the newcomer', async () => {
  await using _ = await standOnDoorstep(options)
  const other = 'f'.repeat(32)
  assert.equal(await knock(doors[0] as Door, other), 'another program answers there')
  assert.equal(await knock(doors[2] as Door, other), 'no answer')
})

test('a program that says nothing is not the newcomer either', async () => {
  const server = createServer((socket) => socket.on('error', () => {})).listen(2377, host)
  await once(server, 'listening')
  try {
    assert.equal(await knock(doors[0] as Door, word), 'no answer')
    await assert.rejects(standOnDoorstep(options), (error) => {
      return isFault(error, 'transport/cannot-listen') && error.fault['port'] === 2377
    })
  } finally {
    server.close()
  }
})

test('an address that is none is told as such', async () => {
  assert.equal(await knock({ protocol: 'udp', address: 'nonsense' }, word), 'not an address')
  assert.equal(await tryDoor(''), 'not an address')
})
