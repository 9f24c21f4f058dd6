import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMeshLabels, uselessLabel } from '../../../src/model/ingress-labels.ts'
import { defaultIngressOptions } from '../../../src/model/ingress-options.ts'

test('options are read per published port, and the drain time', () => {
  const read = parseMeshLabels({
    'com.example.team': 'a',
    'mesh.drain': '1m30s',
    'mesh.ingress.8080.prefer': 'local',
    'mesh.ingress.8080.proxy-protocol': 'v2',
    'mesh.ingress.8080.protocol': 'tcp',
    'mesh.ingress.9090.proxy-protocol': 'v1',
  })
  assert.deepEqual(read.problems, [])
  assert.equal(read.drainMs, 90_000)
  assert.deepEqual(read.ingress.get(8080), {
    ...defaultIngressOptions,
    prefer: 'local',
    proxyProtocol: 'v2',
  })
  assert.deepEqual(read.ingress.get(9090), { ...defaultIngressOptions, proxyProtocol: 'v1' })
})

test('addresses, networks, time-outs and limits are read', () => {
  const { ingress, problems } = parseMeshLabels({
    'mesh.ingress.80.listen': '10.0.0.1, ::1,10.0.0.1',
    'mesh.ingress.80.trust': '10.0.0.0/8,fd00::/8,192.0.2.7',
    'mesh.ingress.80.connect-timeout': '1.5s',
    'mesh.ingress.80.idle-timeout': '5m',
    'mesh.ingress.80.max-connections': '1000',
    'mesh.ingress.80.max-connections-per-source': '20',
  })
  assert.deepEqual(problems, [])
  assert.deepEqual(ingress.get(80), {
    ...defaultIngressOptions,
    listen: ['10.0.0.1', '::1'],
    trust: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7'],
    connectTimeoutMs: 1500,
    idleTimeoutMs: 300_000,
    maxConnections: 1000,
    maxConnectionsPerSource: 20,
  })
})

test('a label that would do nothing for the ports of its service is named', () => {
  const web = { TargetPort: 80, PublishedPort: 8080, Protocol: 'tcp' } as const
  const dns = { TargetPort: 53, PublishedPort: 53, Protocol: 'udp' } as const
  const useless = (option: string, ports = [web, dns]): string | null =>
    uselessLabel({ [`mesh.ingress.${option}`]: 'x' }, ports)
  assert.equal(useless('8080.trust'), null)
  assert.equal(useless('53.idle-timeout'), null)
  assert.equal(useless('53.trust'), 'mesh.ingress.53.trust has no effect on port 53/udp')
  assert.match(useless('81.listen') ?? '', /the service publishes port 8080, 53$/)
  assert.match(useless('81.listen', []) ?? '', /the service publishes no port$/)
})

test('labels of others are none of ours', () => {
  const read = parseMeshLabels({ meshy: 'x', 'com.mesh.ingress': 'y', 'traefik.enable': 'true' })
  assert.deepEqual(read, {
    ingress: new Map(),
    drainMs: null,
    updateDeadlineMs: null,
    problems: [],
  })
})

const wrong = [
  ['mesh.ingress.80.prefr', 'local', 'unknown', 'mesh.ingress.80.prefer?'],
  ['mesh.ingres.80.prefer', 'local', 'unknown', 'mesh.ingress.80.prefer?'],
  ['mesh.ingress.80.proxyprotocol', 'v2', 'unknown', 'mesh.ingress.80.proxy-protocol?'],
  ['mesh.ingress.80', 'x', 'unknown', 'mesh.ingress.80.'],
  ['mesh.ingress.070.prefer', 'local', 'unknown', 'prefer?'],
  ['mesh.ingress.99999.prefer', 'local', 'unknown', 'prefer?'],
  ['mesh.ingress.web.prefer', 'local', 'unknown', 'mesh.ingress.<published port>.prefer?'],
  ['mesh.ingress.80.toString', 'x', 'unknown', 'mesh.ingress.80.'],
  ['mesh.drian', '5s', 'unknown', 'mesh.drain?'],
  ['mesh.', '', 'unknown', 'mesh.drain?'],
  ['mesh.drain', '5', 'malformed', 'a duration such as 10s'],
  ['mesh.drain', '-5s', 'malformed', 'a duration such as 10s'],
  ['mesh.ingress.80.prefer', 'locl', 'malformed', 'mesh.ingress.80.prefer=local?'],
  ['mesh.ingress.80.proxy-protocol', '2', 'malformed', 'v1 or v2'],
  ['mesh.ingress.80.proxy-protocol', 'none', 'malformed', 'v1 or v2'],
  ['mesh.ingress.80.protocol', 'TCP', 'malformed', 'tcp'],
  ['mesh.ingress.80.balance', 'rr', 'malformed', 'least or round-robin or source-hash'],
  ['mesh.ingress.80.trust', '10.0.0.0/33', 'malformed', 'addresses or CIDRs'],
  ['mesh.ingress.80.trust', '', 'malformed', 'addresses or CIDRs'],
  ['mesh.ingress.80.head-timeout', '0s', 'malformed', 'a duration such as 10s'],
  ['mesh.ingress.80.head-timout', '5s', 'unknown', 'mesh.ingress.80.head-timeout?'],
  ['mesh.ingress.80.max-head', '1m', 'malformed', '1k to 64k'],
  ['mesh.ingress.80.max-body', 'lots', 'malformed', 'a size such as 10m'],
  ['mesh.ingress.80.listen', 'eth0', 'malformed', 'IP addresses'],
  ['mesh.ingress.80.listen', '10.0.0.0/8', 'malformed', 'IP addresses'],
  ['mesh.ingress.80.listen', '', 'malformed', 'IP addresses'],
  ['mesh.ingress.80.trust', '10.0.0.0/33', 'malformed', 'CIDRs such as 10.0.0.0/8'],
  ['mesh.ingress.80.idle-timeout', '0', 'malformed', 'a duration such as 10s'],
  ['mesh.ingress.80.idle-timeout', '25h', 'malformed', 'at most 24h'],
  ['mesh.ingress.80.max-connections', '0', 'malformed', 'a number from 1'],
  ['mesh.ingress.80.max-connections', '1e3', 'malformed', 'a number from 1'],
  ['mesh.ingress.80.max-connection', '5', 'unknown', 'mesh.ingress.80.max-connections?'],
] as const

for (const [label, value, kind, words] of wrong) {
  test(`${label}=${value} is ${kind}, and the nearest valid one is named`, () => {
    const read = parseMeshLabels({ [label]: value })
    assert.equal(read.problems.length, 1)
    assert.equal(read.problems[0]?.kind, kind)
    assert.equal(read.problems[0]?.label, label)
    assert.ok(read.problems[0]?.text.includes(words), read.problems[0]?.text)
    assert.equal(read.drainMs, null)
    assert.equal(read.ingress.size, 0)
  })
}

test('the options of HTTP are read, with units', () => {
  const read = parseMeshLabels({
    'mesh.ingress.80.protocol': 'http',
    'mesh.ingress.80.balance': 'least',
    'mesh.ingress.80.trust': '10.0.0.0/8,fd00::/8',
    'mesh.ingress.80.head-timeout': '3s',
    'mesh.ingress.80.body-timeout': '1m',
    'mesh.ingress.80.answer-timeout': '1h',
    'mesh.ingress.80.keep-alive-timeout': '1.5s',
    'mesh.ingress.80.max-head': '32k',
    'mesh.ingress.80.max-body': '10MB',
    'mesh.ingress.80.access-log': '1/100',
  })
  assert.deepEqual(read.problems, [])
  assert.deepEqual(read.ingress.get(80), {
    ...defaultIngressOptions,
    protocol: 'http',
    balance: 'least',
    trust: ['10.0.0.0/8', 'fd00::/8'],
    headTimeoutMs: 3000,
    bodyTimeoutMs: 60_000,
    answerTimeoutMs: 3_600_000,
    keepAliveTimeoutMs: 1500,
    maxHeadBytes: 32 * 1024,
    maxBodyBytes: 10 * 1024 * 1024,
    accessLogEvery: 100,
  })
})

function toldEvery(value: string): number | null | undefined {
  const labels = { 'mesh.ingress.80.protocol': 'http', 'mesh.ingress.80.access-log': value }
  const { ingress, problems } = parseMeshLabels(labels)
  return problems.length > 0 ? null : ingress.get(80)?.accessLogEvery
}

test('the access log is for all requests, or for a share of them', () => {
  assert.deepEqual(['all', '1/1', '1/1000'].map(toldEvery), [1, 1, 1000])
  for (const value of ['', 'some', '0', '1/0', '2/3', '1/10000000', '1/1e3']) {
    assert.equal(toldEvery(value), null, value)
  }
})

test('an option of HTTP on a port that is none is refused, and why', () => {
  const read = parseMeshLabels({ 'mesh.ingress.80.max-body': '1m' })
  assert.equal(read.problems[0]?.kind, 'not-yet')
  assert.match(read.problems[0]?.text ?? '', /without mesh\.ingress\.80\.protocol=http/)
})
