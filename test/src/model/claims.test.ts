import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameProblem, serviceClaims } from '../../../src/model/claims.ts'
import type { PortConfig } from '../../../src/model/docker.ts'

function claimsOf(Name: string, Ports: readonly PortConfig[] = []): string[] {
  return serviceClaims({
    Spec: { Name, TaskTemplate: { ContainerSpec: { Image: 'nginx' } } },
    Endpoint: { Ports },
    SpecVersion: { Index: 1 },
  })
}

test('a service claims its name whatever its case, and the ports of the ingress', () => {
  const claims = claimsOf('Web', [
    { TargetPort: 80, PublishedPort: 8080 },
    { TargetPort: 53, PublishedPort: 53, Protocol: 'udp', PublishMode: 'ingress' },
    { TargetPort: 81, PublishedPort: 8081, PublishMode: 'host' },
    { TargetPort: 82 },
  ])
  assert.deepEqual(claims, ['name/service/web', 'port/tcp/8080', 'port/udp/53'])
})

for (const name of ['a', 'web', 'web-1', 'a__b', 'A-_9', '7', 'x'.repeat(63)]) {
  test(`${name} is a name`, () => assert.equal(nameProblem(name), null))
}

for (const name of ['', '-web', 'web-', 'we b', 'wéb', 'web.1', 'a/b', 'x'.repeat(64)]) {
  test(`${JSON.stringify(name)} is no name`, () => assert.notEqual(nameProblem(name), null))
}
