import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/daemon.ts'
import { get, isRefused } from '../support/http.ts'

const root = join(import.meta.dirname, '../..')
const urls = [1, 2, 3].map((number) => `http://127.0.0.${number}:8080/`)

test('npm start answers on three addresses, says what to try, and leaves nothing behind', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'meshd-start-'))
  const child = spawn('npm', ['start'], {
    cwd: root,
    // npm's own Node would keep its compile cache there.
    env: { ...process.env, TMPDIR: temporary, NODE_DISABLE_COMPILE_CACHE: '1' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))
  child.stderr.on('data', (part: Buffer) => (output += part.toString()))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    await eventually('it says what to try next', 60_000, () => {
      assert.equal(child.exitCode, null, output)
      return output.includes('Ctrl-C')
    })
    await answersAreTrue(output)
  } finally {
    process.kill(-(child.pid as number), 'SIGINT')
    await exited
  }
  for (const url of urls) assert.ok(await isRefused(url), `${url} still answers`)
  assert.deepEqual(processesUnder(temporary), [])
  assert.deepEqual(readdirSync(temporary), [], 'a temporary folder is left')
  rmSync(temporary, { recursive: true, force: true })
})

async function answersAreTrue(output: string): Promise<void> {
  const nodes = new Set<string>()
  const tasks = new Set<string>()
  for (const url of [...urls, ...urls, ...urls, ...urls]) {
    const { status, facts } = await get(url)
    assert.equal(status, 200)
    assert.match(facts['client'] ?? '', /^127\.\d+\.\d+\.\d+:\d+$/)
    nodes.add(facts['node'] ?? '')
    tasks.add(facts['task'] ?? '')
  }
  assert.ok(nodes.size >= 2 && tasks.size >= 2, `answers came from ${[...nodes].join(', ')} only`)
  for (const url of urls) assert.ok(output.includes(url.slice(0, -1)), `${url} is not named`)
  const commands = output.split('\n').filter((line) => /^\s+(?:\S*meshctl|curl|docker) /.test(line))
  assert.ok(commands.length >= 3, `three commands worth trying:\n${output}`)
}

/** Processes that have a file of that folder open as their standard output. */
function processesUnder(folder: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => {
    const descriptor = `/proc/${pid}/fd/1`
    try {
      if (!existsSync(`/proc/${pid}/cmdline`)) return false
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return line.includes(folder) || readlinkSync(descriptor).startsWith(folder)
    } catch {
      return false
    }
  })
}
