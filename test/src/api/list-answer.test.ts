import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { sendList } from '../../../src/api/list-answer.ts'

/** What a client reads of a list of so many numbers, and how often other work came in between. */
async function listOf(
  count: number,
): Promise<{ readonly answer: unknown; readonly turns: number }> {
  const items = Array.from({ length: count }, (_, number) => number)
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const server = createServer((_, res) => {
    void sendList({ res }, items, (number) => ({ number, filler: 'x'.repeat(10_000) }))
  }).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    turns = 0
    const response = await fetch(`http://127.0.0.1:${port}/`)
    assert.equal(response.headers.get('content-type'), 'application/json')
    const answer: unknown = await response.json()
    return { answer: (answer as { number: number }[]).map(({ number }) => number), turns }
  } finally {
    clearInterval(counting)
    server.close()
    server.closeAllConnections()
  }
}

for (const count of [0, 1, 100, 101, 2000]) {
  test(`a list of ${count} is whole`, async () => {
    const { answer } = await listOf(count)
    assert.deepEqual(
      answer,
      Array.from({ length: count }, (_, number) => number),
    )
  })
}

test('a long list leaves time for others', async () => {
  const { turns } = await listOf(2000)
  assert.ok(turns >= 20, `only ${turns} turns of the event loop`)
})
