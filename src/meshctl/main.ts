import { setTimeout as sleep } from 'node:timers/promises'
import type { Io } from './io.ts'
import { runMeshctl } from './program.ts'
import { readSecret } from './read-secret.ts'

const interrupt = new AbortController()

// `meshctl service ls | head` closes the pipe early: that is no failure of ours.
process.stdout.on('error', () => process.exit(0))

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readSecret,
  env: process.env,
  isTerminal: process.stdout.isTTY,
  // A terminal that does not know its width says 0.
  columns: process.stdout.columns || 80,
  nowMs: () => Date.now(),
  pause: (ms) => sleep(ms, undefined, { signal: interrupt.signal }).catch(() => {}),
  watchInterrupt() {
    // Once: a second Ctrl-C ends the process.
    process.once('SIGINT', () => interrupt.abort())
    return interrupt.signal
  },
}

process.exitCode = await runMeshctl(process.argv.slice(2), io)
