import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfChangeCases } from './conf-change-cases.ts'
import { parseCases, type Case } from './data-driven.ts'
import { InteractionCases, leftOutIn } from './interaction-cases.ts'
import { runQuorumCase } from './quorum-cases.ts'

export interface TranscriptResult {
  /** Relative to the folder that was run. */
  readonly file: string
  readonly cases: number
  /** Null when all of it came out as written. */
  readonly difference: string | null
}

/** Runs every `.txt` in the folder and below. */
export function runTranscripts(folder: string): TranscriptResult[] {
  const files = globSync('**/*.txt', { cwd: folder }).toSorted()
  return files.map((file) => runTranscript(file, readFileSync(join(folder, file), 'utf8')))
}

export function runTranscript(file: string, text: string): TranscriptResult {
  let cases: Case[]
  try {
    cases = parseCases(text)
  } catch (error) {
    return { file, cases: 0, difference: String(error) }
  }
  const leftOut = cases.find((given) => leftOutIn(given) !== null)
  if (leftOut !== undefined) {
    const difference = `line ${leftOut.line}: ${leftOutIn(leftOut)}: left out here`
    return { file, cases: cases.length, difference }
  }
  const run = runnerFor(cases)
  for (const given of cases) {
    const expected = normalise(given.expected)
    const actual = normalise(attempt(run, given))
    if (actual !== expected) {
      return { file, cases: cases.length, difference: describe(given, expected, actual) }
    }
  }
  return { file, cases: cases.length, difference: null }
}

const quorumCommands = new Set(['committed', 'vote'])
const confChangeCommands = new Set(['simple', 'enter-joint', 'leave-joint'])

/** By the commands, not by the name: files may lie anywhere. */
function runnerFor(cases: readonly Case[]): (given: Case) => string {
  const first = cases[0]?.command ?? ''
  if (quorumCommands.has(first)) return runQuorumCase
  const state = confChangeCommands.has(first) ? new ConfChangeCases() : new InteractionCases()
  return (given) => state.run(given)
}

/** A broken invariant ends a node, not the comparison: the difference shows what broke. */
function attempt(run: (given: Case) => string, given: Case): string {
  try {
    return run(given)
  } catch (error) {
    return String(error)
  }
}

/**
 * What etcd's nodes log is their own business: those lines are not compared. Everything else is,
 * up to blanks at the end.
 */
function normalise(output: string): string {
  const lines = output.split('\n').filter((line) => !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line))
  return lines.join('\n').trimEnd() || 'ok'
}

function describe(given: Case, expected: string, actual: string): string {
  const want = expected.split('\n')
  const got = actual.split('\n')
  const at = want.findIndex((line, index) => line !== got[index])
  const shown = at < 0 ? want.length : at
  const command = [given.command, ...given.args.map(({ key }) => key)].join(' ')
  return [
    `line ${given.line}: ${command}, output line ${shown + 1}`,
    `  expected: ${want[shown] ?? '(end)'}`,
    `  actual:   ${got[shown] ?? '(end)'}`,
  ].join('\n')
}
