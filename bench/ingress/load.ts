import { join } from 'node:path'
import * as z from 'zod'
import { runProgram } from '../../test/support/daemon.ts'
import type { Row } from './rows.ts'

const summary = z.object({ failed: z.int() })

/** What was done meanwhile. */
export interface Work {
  readonly requests: number
  readonly bytes: number
}

const script = join(import.meta.dirname, 'summary.lua')

/** As much as goes, by wrk: every connection asks again as soon as it has its answer. */
export async function load(
  row: Row,
  address: string,
  seconds: number,
): Promise<z.infer<typeof summary>> {
  const limits = ['-t1', `-c${row.connections}`, `-d${seconds}s`, '--timeout', '10s']
  const closing = row.closes === true ? ['-H', 'Connection: close'] : []
  const args = [...limits, ...closing, '-s', script, `http://${address}/${row.file}`]
  const { code, stdout, stderr } = await runProgram('wrk', args, {
    timeoutMs: seconds * 1000 + 15_000,
  })
  const line = stdout.split('\n').find((each) => each.startsWith('{'))
  if (code !== 0 || line === undefined) throw new Error(`wrk ended with ${code}: ${stderr}`)
  return summary.parse(JSON.parse(line))
}

const million = 1_000_000

/** What that much CPU for that work is, in the row's unit. */
export function costOf(row: Row, work: Work, seconds: number): number {
  if (row.unit === 'ms per GB') return (seconds * 1000) / (work.bytes / 1e9)
  return (seconds * million) / work.requests
}
