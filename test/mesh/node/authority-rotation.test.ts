import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { drawId } from '../../../mesh/base/ids.ts'
import type { Json } from '../../../mesh/base/json.ts'
import { caDigest, formatJoinToken } from '../../../mesh/identity/join-token.ts'
import { isIssuedWith, type NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { beginRotation } from '../../../src/model/authority-rotation.ts'
import type { Cluster } from '../../../src/model/docker.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { nextRoot } from '../../../src/meshd/next-root.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'
import { eventually } from '../../support/daemon.ts'
import { RealNodes, type RealNode } from './real-nodes.ts'

async function rotate({ node, view }: RealNode): Promise<void> {
  const stored = view.list('cluster')[0]
  assert.ok(stored !== undefined)
  const drawn = { id: drawId(systemRandom), nowMs: Date.now() }
  const next = nextRoot(null, view, drawn)
  assert.ok('rootPem' in next)
  const body = beginRotation(stored.body as unknown as Cluster, next, drawn.nowMs)
  const { kind, id, claims } = stored
  const object = { kind, id, claims, body: body as unknown as Json }
  const result = await node.propose([{ kind: 'update', object, ifVersion: stored.version }])
  assert.equal(result.kind, 'applied')
}

const rootsOf = ({ node }: RealNode): readonly string[] => node.identity.caCertificatesPem

test('the authority is replaced twice while a node is away, and that one comes back by itself', async () => {
  await using nodes = new RealNodes('127.2.94')
  const manager = await nodes.found()
  const worker = await nodes.join(2, 'worker')
  const away = await nodes.join(3, 'worker')
  const all = [manager, worker]
  const [first = ''] = rootsOf(manager)
  const secret = meshPolicy.authority(manager.view)?.joinSecrets.worker ?? ''
  const token = formatJoinToken({ caDigest: caDigest(first), secret })
  const oldWay = { token, host: '127.2.94.1', port: 2377, timeoutMs: 10_000 }
  await eventually('the worker is fed', 5000, () => worker.view.list('node').length === 3)
  await away.stop()

  const seen = new Set<string>()
  for (const { node } of all) {
    node.onIdentity((identity) => seen.add(rootsAndIssuer(identity, first)))
  }
  for (const round of [1, 2]) {
    const before = rootsOf(manager)[0] ?? ''
    await rotate(manager)
    await eventually(`both roots are trusted, round ${round}`, 10_000, () =>
      all.every((each) => rootsOf(each).length === 2),
    )
    // Who is down is waited for as long as a restart takes.
    nodes.offsetMs += 20_000
    await eventually(`the next one issues, round ${round}`, 15_000, () => {
      const signer = meshPolicy.authorityTrust(worker.view)?.signerPem ?? before
      return signer !== before && all.every(({ node }) => isIssuedWith(node.identity, signer))
    })
    nodes.offsetMs += 20_000
    await eventually(`the old one counts no more, round ${round}`, 10_000, () =>
      all.every((each) => rootsOf(each).length === 1 && rootsOf(each)[0] !== before),
    )
  }
  assert.deepEqual([...seen].slice(0, 3), [
    '2 roots, issued by the first',
    '2 roots, issued by another',
    '1 root, issued by another',
  ])
  const present = meshPolicy.authority(manager.view)
  assert.ok(present !== null && present.joinSecrets.worker !== secret)
  assert.equal(JSON.stringify(worker.view.list('cluster')).includes('PRIVATE KEY'), false)

  const file = (): string => readFileSync(join(nodes.dir, '3', 'identity.json'), 'utf8')
  assert.ok(file().includes(JSON.stringify(first).slice(1, -1)), 'it knows only the first one')
  const returned = await nodes.start(3)
  await eventually('it has a certificate of today', 30_000, () =>
    isIssuedWith(returned.node.identity, present.signerPem),
  )
  await eventually('it is fed', 10_000, () => returned.node.isCurrent)
  assert.deepEqual(rootsOf(returned), [present.caCertificatePem])
  await assert.rejects(nodes.start(4, oldWay), /join\/other-cluster/)
  await worker.stop()
  const again = await nodes.start(2, oldWay)
  assert.equal(
    again.node.self,
    worker.node.self,
    'a member may keep the old one in its command line',
  )
  const fourth = await nodes.join(4, 'worker')
  await eventually('who joins now is fed', 10_000, () => fourth.node.isCurrent)
})

function rootsAndIssuer(identity: NodeIdentity, first: string): string {
  const { length } = identity.caCertificatesPem
  const issuer = isIssuedWith(identity, first) ? 'the first' : 'another'
  return `${length} root${length === 1 ? '' : 's'}, issued by ${issuer}`
}
