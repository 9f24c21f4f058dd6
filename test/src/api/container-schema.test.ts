import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../../src/api/api-error.ts'
import { containerSpec } from '../../../src/api/container-schema.ts'
import { decode } from '../../../src/api/decode.ts'
import { serviceSpecSchema } from '../../../src/api/service-schema.ts'

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof ApiError)
    return `${error.complaint.status} ${error.complaint.what}`
  }
  return 'accepted'
}

const ofContainer = (fields: object): string =>
  refusal(() => decode(containerSpec, { Image: 'a', ...fields }, 'container'))

const ofService = (fields: object): string =>
  refusal(() =>
    decode(
      serviceSpecSchema,
      { TaskTemplate: { ContainerSpec: { Image: 'a' } }, ...fields },
      'spec',
    ),
  )

test('what has an effect is accepted', () => {
  const fields: readonly object[] = [
    {
      Mounts: [
        { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'rslave' } },
      ],
    },
    { Mounts: [{ Type: 'volume', Source: 'a-{{.Task.Slot}}', Target: '/b' }] },
    { Mounts: [{ Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 } }] },
    { Healthcheck: { Test: ['NONE'] }, Init: true, TTY: true, OpenStdin: true, ReadOnly: true },
    {
      Healthcheck: { Test: ['CMD', 'x'], Interval: 1e9, Timeout: 0, StartPeriod: 5e9, Retries: 3 },
    },
    { Hosts: ['10.0.0.1 a b', '::1 c'], DNSConfig: { Nameservers: ['10.0.0.1'] } },
    { Privileges: { NoNewPrivileges: true, Seccomp: { Mode: 'unconfined' } } },
    { Ulimits: [{ Name: 'nofile', Soft: -1, Hard: -1 }], Sysctls: { 'net.core.somaxconn': '9' } },
    { CapabilityAdd: ['CAP_NET_ADMIN'], CapabilityDrop: ['ALL'], OomScoreAdj: -500 },
    { Isolation: 'default', Secrets: [], Configs: null, DNSConfig: {} },
  ]
  for (const given of fields) assert.equal(ofContainer(given), 'accepted', JSON.stringify(given))
})

test('what has no effect is refused by its name', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ Mounts: [{ Type: 'npipe', Source: 'a', Target: '/b' }] }, /^501 Mounts\.0\.Type/],
    [{ Mounts: [{ Type: 'cluster', Source: 'a', Target: '/b' }] }, /^501 Mounts\.0\.Type/],
    [{ Secrets: [{ SecretID: 'a' }] }, /^501 Secrets/],
    [{ Isolation: 'hyperv' }, /^501 Isolation/],
    [{ Privileges: { CredentialSpec: { File: 'x' } } }, /^501 Privileges\.CredentialSpec/],
    [{ PullOptions: { RegistryAuth: 'x' } }, /^501 PullOptions/],
  ]
  for (const [given, words] of cases) assert.match(ofContainer(given), words)
})

test('what is wrong is refused, and says where', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ Mounts: [{ Source: 'a', Target: '/b' }] }, /^400 .*needs a Type/],
    [{ Mounts: [{ Type: 'bind', Source: 'a', Target: '/b' }] }, /^400 .*absolute path/],
    [{ Mounts: [{ Type: 'bind', Source: '/a', Target: 'b' }] }, /^400 .*Mounts\.0\.Target/],
    [{ Mounts: [{ Type: 'tmpfs', Source: '/a', Target: '/b' }] }, /^400 .*no Source/],
    [{ Mounts: [{ Type: 'tmpfs', Target: '/b', BindOptions: {} }] }, /^400 .*BindOptions/],
    [{ Healthcheck: { Test: ['curl'] } }, /^400 .*CMD-SHELL/],
    [{ Healthcheck: { Interval: 1000 } }, /^400 .*1 ms/],
    [{ Hosts: ['db'] }, /^400 .*Hosts\.0/],
    [{ DNSConfig: { Nameservers: ['one'] } }, /^400 .*IP address/],
    [{ Env: ['A={{.Nothing}}'] }, /^400 .*names nothing known/],
    [{ Hostname: '{{' }, /^400 .*not closed/],
    [{ CapabilityAdd: ['a b'] }, /^400 .*capability/],
    [{ OomScoreAdj: 5000 }, /^400 .*OomScoreAdj/],
  ]
  for (const [given, words] of cases) assert.match(ofContainer(given), words)
})

const publish = (port: object): string =>
  ofService({ EndpointSpec: { Ports: [{ TargetPort: 53, ...port }] } })

test('ports in mode host may be of any protocol, through the ingress tcp and udp', () => {
  assert.equal(publish({ PublishMode: 'host', Protocol: 'udp', PublishedPort: 53 }), 'accepted')
  assert.equal(publish({ Protocol: 'udp' }), 'accepted')
  assert.match(publish({ Protocol: 'sctp' }), /^501 EndpointSpec\.Ports\.0\.Protocol/)
  assert.equal(publish({ Protocol: '' }), 'accepted')
})
