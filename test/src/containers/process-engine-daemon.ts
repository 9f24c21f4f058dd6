/** A daemon for a test to kill: runs one task that has a child, and prints the pids of both. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readFileSync } from 'node:fs'
import { silentLog } from '../../../mesh/base/log.ts'
import { ProcessEngine } from '../../../src/containers/process-engine.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { containerRequest } from './container-request.ts'

const engine = new ProcessEngine({
  clock: systemClock,
  log: silentLog,
  environment: process.env,
})
const { id } = await engine.create(
  containerRequest('t1', { command: ['sh', '-c', `trap '' TERM HUP; sleep 62 & wait`] }),
)
await engine.start(id)
const pid = (await engine.inspect(id))?.pid ?? 0
/** Not a shell that has forked and is about to become something else. */
const sleeper = (): string =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .trim()
    .split(' ')
    .filter((id) => id !== '' && readFileSync(`/proc/${id}/comm`, 'latin1') === 'sleep\n')
    .join(' ')

let child = ''
for (let tries = 0; child === '' && tries < 200; tries++) {
  await sleep(20)
  child = sleeper()
}
process.stdout.write(`${pid} ${child}\n`)
await sleep(60_000)
