/**
 * Runs etcd-io/raft's data-driven cases against our core: `bin/node test/conformance/etcd-raft.ts
 * DIR`. A line for every file, `pass` or the first difference; the last line counts.
 */
import { statSync } from 'node:fs'
import { runTranscripts } from './transcripts.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
  console.error('usage: etcd-raft.ts DIR, a folder with .txt files of the data-driven format')
  process.exit(2)
}

const results = runTranscripts(folder)
for (const { file, cases, difference } of results) {
  console.log(`${file}: ${difference === null ? `pass (${cases} cases)` : difference}`)
}
const passed = results.filter(({ difference }) => difference === null).length
console.log(`${passed} of ${results.length} pass`)
process.exitCode = results.length > 0 && passed === results.length ? 0 : 1
