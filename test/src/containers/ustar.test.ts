import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ArchiveFile, ustar } from '../../../src/containers/ustar.ts'

async function archive(files: readonly ArchiveFile[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of ustar(files)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('tar unpacks what we packed: bytes, modes, long names, and what links point to', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'meshd-tar-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const content = Buffer.alloc(1_000, 'x')
  writeFileSync(join(dir, 'source'), content)
  symlinkSync('source', join(dir, 'link'))
  const long = `${'deep/'.repeat(25)}name`
  const bytes = await archive([
    { path: 'a/run', content: { file: join(dir, 'link') }, isExecutable: true },
    { path: long, content: { bytes: Buffer.from('long') }, isExecutable: false },
    { path: 'empty', content: { bytes: Buffer.alloc(0) }, isExecutable: false },
  ])
  assert.equal(bytes.length % 512, 0)
  execFileSync('tar', ['-xf', '-', '-C', dir], { input: bytes })
  assert.deepEqual(readFileSync(join(dir, 'a/run')), content)
  assert.equal(statSync(join(dir, 'a/run')).mode & 0o777, 0o755)
  assert.equal(readFileSync(join(dir, long), 'utf8'), 'long')
  assert.equal(statSync(join(dir, 'empty')).size, 0)
})

test('a path that no header can hold is refused', async () => {
  const path = 'x'.repeat(101)
  const file: ArchiveFile = { path, content: { bytes: Buffer.alloc(0) }, isExecutable: false }
  await assert.rejects(archive([file]), /path-too-long/)
})
