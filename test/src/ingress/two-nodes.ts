import assert from 'node:assert/strict'
import type { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { TestNode } from './test-node.ts'
import { freePort } from './test-tasks.ts'

export interface TwoNodes {
  readonly first: TestNode
  readonly second: TestNode
  /** Free on both, for a service. */
  readonly port: number
}

/** Two ingresses of one cluster, each on its own address, that know nothing of each other yet. */
export async function openTwoNodes(
  cluster: TestCluster,
  [entry, far]: readonly [string, string],
): Promise<TwoNodes> {
  const port = await freePort()
  const dataPathPort = await freePort()
  const first = new TestNode(await cluster.member(), { address: entry, port: dataPathPort })
  const second = new TestNode(await cluster.member(), { address: far, port: dataPathPort })
  return { first, second, port }
}

/** Until each has a tunnel to the other. */
export const reachEachOther = ({ first, second }: Omit<TwoNodes, 'port'>): Promise<void> =>
  eventually(() => {
    assert.equal(first.answers(second.id), true)
    assert.equal(second.answers(first.id), true)
  })
