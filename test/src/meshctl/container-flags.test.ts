import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { containerPart } from '../../../src/meshctl/container-flags.ts'
import { parseMount } from '../../../src/meshctl/mount-flag.ts'
import { registryLogin, registryOf } from '../../../src/meshctl/registry-login.ts'

test("flags of a container become docker's spec", () => {
  const part = containerPart(
    {
      capAdd: ['net_admin'],
      capDrop: ['ALL'],
      dns: ['10.0.0.1'],
      dnsOption: ['ndots:2'],
      entrypoint: `sh -c 'echo "a b"'`,
      env: ['A=1', 'B=2', 'A=3'],
      healthCmd: 'true',
      healthInterval: '1s',
      healthRetries: '2',
      host: ['db:10.0.0.5', 'v6:::1'],
      hostname: 'h',
      init: true,
      oomScoreAdj: '-5',
      readOnly: true,
      sysctl: ['a.b=1'],
      tty: true,
      ulimit: ['nofile=1:2', 'core=0'],
      user: '1:2',
      workdir: '/w',
    },
    {},
  )
  assert.deepEqual(part, {
    CapabilityAdd: ['CAP_NET_ADMIN'],
    CapabilityDrop: ['ALL'],
    DNSConfig: { Nameservers: ['10.0.0.1'], Options: ['ndots:2'] },
    Command: ['sh', '-c', 'echo "a b"'],
    Env: ['A=3', 'B=2'],
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 1e9, Retries: 2 },
    Hosts: ['10.0.0.5 db', '::1 v6'],
    Hostname: 'h',
    Init: true,
    OomScoreAdj: -5,
    ReadOnly: true,
    Sysctls: { 'a.b': '1' },
    TTY: true,
    Ulimits: [
      { Name: 'core', Soft: 0, Hard: 0 },
      { Name: 'nofile', Soft: 1, Hard: 2 },
    ],
    User: '1:2',
    Dir: '/w',
  })
  assert.deepEqual(containerPart({ healthcheck: false }, {}), { Healthcheck: { Test: ['NONE'] } })
  assert.throws(() => containerPart({ healthcheck: false, healthCmd: 'x' }, {}), /no-healthcheck/)
  for (const bad of [{ ulimit: ['x'] }, { host: ['x'] }, { oomScoreAdj: '9999' }]) {
    assert.throws(() => containerPart(bad, {}), /invalid --/)
  }
})

test("mounts are understood in docker's grammar", () => {
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,ro,bind-propagation=rslave'), {
    Type: 'bind',
    Source: '/a',
    Target: '/b',
    ReadOnly: true,
    BindOptions: { Propagation: 'rslave' },
  })
  assert.deepEqual(parseMount('source=v,target=/b,volume-label=a=b,volume-opt=o=x,volume-nocopy'), {
    Type: 'volume',
    Source: 'v',
    Target: '/b',
    VolumeOptions: {
      NoCopy: true,
      Labels: { a: 'b' },
      DriverConfig: { Options: { o: 'x' } },
    },
  })
  assert.deepEqual(
    parseMount('type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777,readonly=false'),
    {
      Type: 'tmpfs',
      Target: '/t',
      TmpfsOptions: { SizeBytes: 1024 * 1024, Mode: 0o1777 },
    },
  )
  for (const bad of ['', 'type=bind', 'target=/a,what=1', 'target=/a,ro=perhaps']) {
    assert.throws(() => parseMount(bad), /invalid --mount/, bad)
  }
})

test('variables are read from files, what stands later counts', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'meshctl-env-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'env')
  writeFileSync(path, '# words\n\nA=1\nHOME\nB=x y\n')
  const { Env } = containerPart({ envFile: [path], env: ['A=2'] }, { HOME: '/root' })
  assert.deepEqual(Env, ['A=2', 'HOME=/root', 'B=x y'])
  assert.throws(() => containerPart({ envFile: [join(dir, 'none')] }, {}), /cannot read/)
})

test('what docker login left is found by the registry of the image', (t) => {
  assert.equal(registryOf('busybox'), 'https://index.docker.io/v1/')
  assert.equal(registryOf('me/app:1'), 'https://index.docker.io/v1/')
  assert.equal(registryOf('localhost/app'), 'localhost')
  assert.equal(registryOf('r.example:5000/a/b:1'), 'r.example:5000')
  const dir = mkdtempSync(join(tmpdir(), 'meshctl-login-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const auth = Buffer.from('me:a:b').toString('base64')
  const config = { auths: { 'r.example:5000': { auth } } }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  const login = registryLogin('r.example:5000/app', { DOCKER_CONFIG: dir }) ?? ''
  assert.deepEqual(JSON.parse(Buffer.from(login, 'base64url').toString()), {
    username: 'me',
    password: 'a:b',
    serveraddress: 'r.example:5000',
  })
  assert.equal(registryLogin('other.example/app', { DOCKER_CONFIG: dir }), null)
})
