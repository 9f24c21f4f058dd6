/**
 * Runs the tests: `bin/node test/run.ts [--e2e | --unit] [file …]`. Unit tests run two files at a
 * time; end-to-end tests start real clusters, so one at a time. The last line of the output counts:
 * `N passed, N failed, N skipped`.
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const root = join(import.meta.dirname, '..')
const words = process.argv.slice(2)
const isEndToEnd = (file: string): boolean => file.includes('test/e2e/')

interface Count {
  passed: number
  failed: number
  skipped: number
}

function select(): { unit: string[]; endToEnd: string[] } {
  const named = words.filter((word) => !word.startsWith('--'))
  const all = globSync('test/**/*.test.ts', { cwd: root }).toSorted()
  const files = named.length > 0 ? named : all
  const absolute = files.map((file) => (file.startsWith('/') ? file : join(root, file)))
  return {
    unit: words.includes('--e2e') ? [] : absolute.filter((file) => !isEndToEnd(file)),
    endToEnd: words.includes('--unit') ? [] : absolute.filter(isEndToEnd),
  }
}

async function runFiles(files: string[], concurrency: number): Promise<Count> {
  const count: Count = { passed: 0, failed: 0, skipped: 0 }
  if (files.length === 0) return count
  const timeout = 600_000
  const stream = run({
    files,
    concurrency,
    timeout,
    cwd: root,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  stream.on('test:pass', (event) => {
    if (event.details.type === 'suite') return
    if (event.skip !== undefined) count.skipped++
    else count.passed++
  })
  stream.on('test:fail', (event) => {
    if (event.details.type !== 'suite') count.failed++
  })
  for await (const text of stream.compose(spec())) process.stdout.write(text as string)
  return count
}

const { unit, endToEnd } = select()
const counts = [await runFiles(unit, 2), await runFiles(endToEnd, 1)]
const sum = (field: keyof Count): number => counts.reduce((total, each) => total + each[field], 0)
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
process.exit(sum('failed') > 0 || sum('passed') === 0 ? 1 : 0)
