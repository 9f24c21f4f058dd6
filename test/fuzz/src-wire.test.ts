import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../mesh/base/json.ts'
import { nodeId } from '../../mesh/base/ids.ts'
import { isFault } from '../../mesh/base/mesh-error.ts'
import { decodeJson, encodeJson, isRefused } from '../../mesh/wire/frames.ts'
import type { NodeRecord, TaskRecord } from '../../src/model/docker.ts'
import { defaultIngressOptions } from '../../src/model/ingress-options.ts'
import { failureKinds, latencyBoundsMs } from '../../src/wire/ingress-counts.ts'
import {
  fromIngress,
  toIngress,
  type FromIngress,
  type ToIngress,
} from '../../src/wire/ingress-message.ts'
import {
  decodeProxyHeader,
  encodeProxyHeader,
  type ProxyHeader,
} from '../../src/wire/proxy-protocol.ts'
import { decodeNodeRecord, decodeTaskRecord } from '../../src/wire/records.ts'
import {
  decodeCount,
  decodeOpen,
  encodeCount,
  encodeOpen,
  encodeTunnelFrame,
  FrameDecoder,
  frameHeaderBytes,
  framePayloadLimit,
  frameType,
  type Frame,
  type OpenPayload,
} from '../../src/wire/tunnel-frame.ts'
import {
  chunked,
  describeFuzz,
  fuzz,
  fuzzInputs,
  fuzzSeed,
  type FuzzTarget,
} from '../support/fuzz.ts'

/** A decoder that throws: its own refusal is fine, anything else is not. Null when it refused. */
function unless<T>(code: string, decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (isFault(error, code)) return null
    throw error
  }
}

const open: OpenPayload = {
  ...{ task: 'web.1.abc', generation: 77, targetPort: 80, proxyProtocol: 'v2' },
  client: { host: '192.0.2.7', port: 1024 },
  destination: { host: '2001:db8::1', port: 443 },
}

const opens: FuzzTarget = {
  name: 'OPEN',
  corpus: [
    encodeOpen(open),
    encodeOpen({ ...open, client: open.destination }),
    encodeOpen({ ...open, protocol: 'udp' }),
  ],
  decode: (bytes) => {
    const decoded = unless('tunnel/malformed', () => decodeOpen(bytes))
    if (decoded === null) return false
    assert.deepEqual(decodeOpen(encodeOpen(decoded)), decoded)
    return true
  },
}

const frameCorpus = [
  encodeTunnelFrame(1, frameType.open, encodeOpen(open)),
  Buffer.concat([
    encodeTunnelFrame(1, frameType.data, Buffer.from('hello')),
    encodeTunnelFrame(1, frameType.credit, encodeCount(65_536)),
    encodeTunnelFrame(1, frameType.fin),
  ]),
  Buffer.concat([
    encodeTunnelFrame(0, frameType.ping, encodeCount(1)),
    encodeTunnelFrame(0, frameType.pong, encodeCount(1)),
    encodeTunnelFrame(9, frameType.ready),
    encodeTunnelFrame(9, frameType.gone),
    encodeTunnelFrame(9, frameType.reset),
    encodeTunnelFrame(10, frameType.open, encodeOpen({ ...open, protocol: 'udp' })),
    encodeTunnelFrame(10, frameType.datagram, Buffer.from('a datagram')),
    encodeTunnelFrame(10, frameType.datagram),
    encodeTunnelFrame(0, frameType.drain, Buffer.from('task')),
    encodeTunnelFrame(0, frameType.dropped, Buffer.from('task')),
  ]),
]

function framesIn(chunks: readonly Uint8Array[]): { frames: Frame[]; isRefused: boolean } {
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  const take = (frame: Frame): void => {
    assert.ok(frame.payload.length <= framePayloadLimit)
    if (frame.type === frameType.credit) decodeCount(frame.payload)
    if (frame.type === frameType.open) unless('tunnel/malformed', () => decodeOpen(frame.payload))
    frames.push({ ...frame, payload: Uint8Array.from(frame.payload) })
  }
  const ended = unless('tunnel/malformed', () => {
    for (const chunk of chunks) decoder.push(chunk, take)
    return true
  })
  return { frames, isRefused: ended === null }
}

/** Whatever the chunks, the same frames come out. */
const frames: FuzzTarget = {
  name: 'tunnel frames',
  corpus: frameCorpus,
  decode: (bytes, random) => {
    const whole = framesIn([bytes])
    const cut = framesIn(chunked(bytes, random))
    assert.deepEqual(cut, whole)
    const carried = whole.frames.reduce((sum, { payload }) => {
      return sum + frameHeaderBytes + payload.length
    }, 0)
    assert.ok(carried <= bytes.length)
    return !whole.isRefused
  },
}

const proxyHeader: ProxyHeader = {
  source: { host: '192.0.2.7', port: 1024 },
  destination: { host: '198.51.100.1', port: 443 },
}
const proxyHeader6: ProxyHeader = {
  source: { host: '2001:db8::7', port: 1024 },
  destination: { host: '2001:db8::1', port: 443 },
}

const proxy: FuzzTarget = {
  name: 'proxy protocol',
  corpus: [
    ...[proxyHeader, proxyHeader6].flatMap((header) => [
      encodeProxyHeader('v1', header),
      encodeProxyHeader('v2', header),
    ]),
    Buffer.from('PROXY UNKNOWN\r\n'),
    Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
  ],
  decode: (bytes) => {
    const decoded = unless('proxy-protocol/malformed', () => decodeProxyHeader(bytes))
    if (decoded === null) return false
    if (decoded.kind === 'more') return true
    assert.ok(decoded.length <= bytes.length && decoded.length > 0)
    if (decoded.header === null) return true
    const again = decodeProxyHeader(encodeProxyHeader('v2', decoded.header))
    const twice = again.kind === 'header' ? again.header : null
    assert.ok(twice !== null)
    assert.deepEqual(encodeProxyHeader('v2', twice), encodeProxyHeader('v2', decoded.header))
    return true
  },
}

/** Never throws, and what was accepted is accepted when it is sent on. */
function json(
  name: string,
  values: readonly unknown[],
  decode: (bytes: Uint8Array) => unknown,
): FuzzTarget {
  return {
    name,
    corpus: values.map(encodeJson),
    decode: (bytes) => {
      const decoded = decode(bytes)
      if (decoded === null || isRefused(decoded)) return false
      const again = encodeJson(decoded)
      assert.deepEqual(encodeJson(decode(again)), again)
      return true
    },
  }
}

const n1 = nodeId('1'.repeat(25))
const traffic = { id: 's1', opened: 3, open: 1, failed: 0, bytesIn: 10, bytesOut: 20, dropped: 0 }
const http = {
  ...{ id: 's1/tcp/80', requests: 3, inFlight: 1, retries: 1, ejections: 1, latencySumMs: 12.5 },
  statusClasses: [0, 0, 2, 0, 0, 0],
  latencies: [...latencyBoundsMs.map(() => 0), 2],
  failures: failureKinds.map(() => 1),
}
const toMessages: ToIngress[] = [
  { kind: 'hello', version: '0.1.0' },
  { kind: 'drain', task: 't1' },
  { kind: 'shutdown', graceful: true },
  {
    kind: 'identity',
    identity: {
      ...{ nodeId: n1, clusterId: 'c', role: 'worker', peerId: 'p', certificatePem: 'pem' },
      ...{ tlsKeyPem: 'pem', caCertificatesPem: ['pem'] },
    },
  },
  {
    kind: 'routes',
    table: {
      version: 3,
      self: n1,
      listeners: [
        {
          ...{ protocol: 'tcp', port: 80, serviceId: 's1', serviceName: 'web' },
          options: { ...defaultIngressOptions, trust: ['10.0.0.0/8'] },
          endpoints: [{ task: 't1', node: n1, generation: 7, targetPort: 80, preferred: true }],
        },
      ],
      peers: [{ node: n1, address: '10.0.0.1:4789' }],
      localTasks: [
        { task: 't1', generation: 7, draining: false, targets: { '80': '127.0.0.1:1' } },
      ],
    },
  },
]
const fromMessages: FromIngress[] = [
  { kind: 'ready', version: '0.1.0', pid: 7 },
  { kind: 'applied', version: 3 },
  { kind: 'port-conflicts', ports: ['80', '53/udp'] },
  { kind: 'peer-status', node: n1, answers: true },
  { kind: 'open-connections', task: 't1', open: 2 },
  {
    kind: 'counters',
    counts: {
      ports: [traffic],
      tasks: [traffic],
      http: [http],
      httpTasks: [http],
      peers: [
        { id: n1, opened: 3, open: 1, gone: 1, bytesIn: 10, bytesOut: 20, pings: 7, latePings: 1 },
      ],
    },
  },
  {
    kind: 'places',
    places: [{ protocol: 'udp', host: '127.0.0.1', port: 53, state: 'taken' }],
  },
  { kind: 'stopping' },
  { kind: 'warning', message: 'm', facts: { a: 1, b: 'x', c: true } },
]

const taskRecord: TaskRecord = {
  ...{ service: 's1', generation: 7, state: 'running', at: '2026-11-24T22:26:42.007Z' },
  ...{ message: 'started', err: '', containerId: 'c1', exitCode: null, pid: 12 },
  ...{ serving: true, draining: false, targets: { '80': '127.0.0.1:4711' } },
}
const nodeRecord: NodeRecord = {
  description: {
    Hostname: 'host',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: { NanoCPUs: 2e9, MemoryBytes: 1e9 },
    Engine: { EngineVersion: '20.10.24', Labels: { disk: 'ssd' } },
    Runtime: 'docker',
    ApiAddress: '10.0.0.1:2377',
  },
  ...{ engineReady: true, message: '', ingressReady: true, portConflicts: { '80': 'in use' } },
}

/** Records come inside other messages: JSON already, but of any shape. */
function asRecord(decode: (json: Json) => unknown): (bytes: Uint8Array) => unknown {
  return (bytes) => {
    let value: Json
    try {
      value = JSON.parse(Buffer.from(bytes).toString('utf8')) as Json
    } catch {
      return null
    }
    return decode(value)
  }
}

const targets: readonly FuzzTarget[] = [
  frames,
  opens,
  proxy,
  json('messages to the ingress', toMessages, (bytes) => decodeJson(toIngress, bytes)),
  json('messages from the ingress', fromMessages, (bytes) => decodeJson(fromIngress, bytes)),
  json('task records', [taskRecord], asRecord(decodeTaskRecord)),
  json('node records', [nodeRecord], asRecord(decodeNodeRecord)),
]

for (const target of targets) {
  test(`no bytes harm the decoder: ${target.name}`, (t) => {
    t.diagnostic(describeFuzz(fuzz(target, fuzzInputs, fuzzSeed)))
  })
}
