import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import {
  registryAuthOf,
  registryAuthOfUpdate,
  withoutServiceAuth,
  withRegistryAuth,
} from '../../../src/api/registry-auth.ts'
import type { Service, ServiceSpec } from '../../../src/model/docker.ts'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const auth = encode({ username: 'mesh', password: 'secret' })
const ask = (header?: string): IncomingMessage =>
  ({
    headers: header === undefined ? {} : { 'x-registry-auth': header },
  }) as unknown as IncomingMessage

const spec: ServiceSpec = {
  Name: 'web',
  Labels: { PullOptions: 'mine' },
  TaskTemplate: { ContainerSpec: { Image: 'a', Labels: { PullOptions: 'mine' } } },
}

test('credentials are taken as they came, and an empty account is none', () => {
  assert.equal(registryAuthOf(ask(auth)), auth)
  assert.equal(registryAuthOf(ask()), null)
  assert.equal(registryAuthOf(ask('')), null)
  assert.equal(registryAuthOf(ask(encode({}))), null)
  assert.equal(registryAuthOf(ask(encode({ username: '', password: '' }))), null)
  for (const bad of ['%%%', encode('text'), encode([1]), 'e30x', 'a'.repeat(70_000)]) {
    assert.throws(() => registryAuthOf(ask(bad)), /X-Registry-Auth/, bad.slice(0, 20))
  }
})

test('an update keeps the credentials of the spec that it names', () => {
  const service = {
    Spec: withRegistryAuth(spec, 'now'),
    PreviousSpec: withRegistryAuth(spec, 'old'),
  }
  assert.equal(registryAuthOfUpdate(ask(auth), null, service), auth)
  assert.equal(registryAuthOfUpdate(ask(), null, service), 'now')
  assert.equal(registryAuthOfUpdate(ask(), 'spec', service), 'now')
  assert.equal(registryAuthOfUpdate(ask(), 'previous-spec', service), 'old')
  assert.equal(registryAuthOfUpdate(ask(), 'previous-spec', { Spec: spec }), null)
  assert.throws(() => registryAuthOfUpdate(ask(), 'nowhere', service), /registryAuthFrom/)
})

test('clients see everything of a spec but its credentials', () => {
  const kept = withRegistryAuth(spec, auth)
  assert.equal(kept.TaskTemplate.ContainerSpec.PullOptions?.RegistryAuth, auth)
  const service: Service = {
    Spec: kept,
    PreviousSpec: kept,
    Endpoint: {},
    SpecVersion: { Index: 1 },
  }
  const shown = withoutServiceAuth(service)
  assert.deepEqual(shown, { ...service, Spec: spec, PreviousSpec: spec })
})
