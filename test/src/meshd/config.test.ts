import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { parseConfig } from '../../../src/meshd/config.ts'
import { checkPorts } from '../../../src/meshd/port-check.ts'

const parse = (flags: Record<string, unknown>, env: Record<string, string> = {}) =>
  parseConfig({ flags, env, isTerminal: false })

test('without a word the settings are the defaults that the help tells', () => {
  const config = parse({})
  assert.equal(config.dataDir, '/var/lib/meshd')
  assert.equal(config.socketPath, '/run/meshd.sock')
  assert.deepEqual([config.controlPort, config.gossipPort, config.dataPathPort], [2377, 7946, 4789])
  assert.equal(config.runtime, null)
  assert.equal(config.advertiseAddr, null)
  assert.equal(config.logFormat, 'json')
})

test('flags win over the environment', () => {
  const env = {
    MESHD_PORT: '3000',
    MESHD_LISTEN_ADDR: '127.0.0.1',
    MESHD_LABEL: 'a=b,c=d=e',
    PATH: '',
  }
  const config = parse({ port: '4000' }, env)
  assert.equal(config.controlPort, 4000)
  assert.equal(config.listenAddr, '127.0.0.1')
  assert.equal(config.advertiseAddr, '127.0.0.1')
  assert.deepEqual(config.labels, { a: 'b', c: 'd=e' })
})

test('metrics are served to whoever comes only where that was asked for', () => {
  assert.equal(parse({}).metricsAddr, null)
  const address = { host: '127.0.0.1', port: 9323 }
  assert.deepEqual(parse({ metricsAddr: '127.0.0.1:9323' }).metricsAddr, address)
  assert.deepEqual(parse({ metricsAddr: '[::1]:9323' }).metricsAddr, { ...address, host: '::1' })
})

const joinOf = (join: string) => parse({ join }).join

test('a join line is token, host and port', () => {
  assert.deepEqual(joinOf('T@10.0.0.1:99'), { token: 'T', host: '10.0.0.1', port: 99 })
  assert.deepEqual(joinOf('T@name'), { token: 'T', host: 'name', port: 2377 })
  assert.deepEqual(joinOf('T@[fd00::1]:99'), { token: 'T', host: 'fd00::1', port: 99 })
})

const mistakes: readonly [string, Record<string, unknown>, Record<string, string>, RegExp][] = [
  ['a hexadecimal port', { port: '0x10' }, {}, /--port: must be a number/],
  ['a port with an exponent', { gossipPort: '1e3' }, {}, /--gossip-port/],
  ['a port that no machine has', { port: '70000' }, {}, /--port/],
  ['the same port twice', { port: '7946' }, {}, /must differ/],
  ['an address that is none', { listenAddr: 'localhost' }, {}, /--listen-addr: must be an IP/],
  ['an address that is every address', { advertiseAddr: '0.0.0.0' }, {}, /--advertise-addr/],
  ['an address of metrics without a port', { metricsAddr: '127.0.0.1' }, {}, /IP:PORT/],
  ['an address of metrics that is none', { metricsAddr: 'here:80' }, {}, /IP:PORT/],
  ['a label without a value', { label: ['a'] }, {}, /KEY=VALUE/],
  ['a variable that means nothing', {}, { MESHD_PROT: '1' }, /unknown setting prot/],
  ['a join line without a token', { join: '@10.0.0.1:2377' }, {}, /TOKEN@HOST:PORT/],
]
for (const [name, flags, env, reason] of mistakes) {
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => parse(flags, env),
      (error) => isFault(error, 'config/invalid') && reason.test(String(error.fault['reason'])),
    )
  })
}

test('a join line that makes no sense is not repeated: it may hold a secret', () => {
  assert.throws(
    () => parse({ join: 'SECRET 10.0.0.1' }),
    (error) => error instanceof Error && !error.message.includes('SECRET'),
  )
})

test('a port that another program holds is told with its purpose', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const wanted = { host: '127.0.0.1', port: address.port, purpose: 'gossip' }
  try {
    await assert.rejects(checkPorts([wanted]), (error) => {
      return isFault(error, 'daemon/port-taken') && error.fault['purpose'] === 'gossip'
    })
  } finally {
    server.close()
  }
  await once(server, 'close')
  await checkPorts([wanted])
})
