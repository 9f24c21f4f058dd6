import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PullProgress } from '../../../src/containers/pull-progress.ts'

const detail = (current: number, total: number): object => ({
  progressDetail: { current, total },
})

test("docker's lines become one text that counts layers and megabytes", () => {
  const progress = new PullProgress('app:1')
  const steps: readonly (readonly [object, string])[] = [
    [{ status: 'Pulling from app', id: '1' }, 'pulling app:1'],
    [{ status: 'Pulling fs layer', id: 'a' }, 'pulling app:1: 0 of 1 layers'],
    [{ status: 'Already exists', id: 'b' }, 'pulling app:1: 1 of 2 layers'],
    [
      { status: 'Downloading', id: 'a', ...detail(1_500_000, 3_000_000) },
      'pulling app:1: 1 of 2 layers, 1.5 of 3.0 MB',
    ],
    [
      { status: 'Extracting', id: 'a', ...detail(1, 9) },
      'pulling app:1: 1 of 2 layers, 1.5 of 3.0 MB',
    ],
    [{ status: 'Pull complete', id: 'a' }, 'pulling app:1: 2 of 2 layers, 3.0 of 3.0 MB'],
    [{ status: 'Digest: sha256:00' }, 'pulling app:1: 2 of 2 layers, 3.0 of 3.0 MB'],
  ]
  for (const [line, text] of steps) {
    progress.add({ ...line })
    assert.equal(progress.text, text)
  }
})
