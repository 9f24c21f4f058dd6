import { setTimeout as sleep } from 'node:timers/promises'
import { runMeshctl } from '../../src/meshctl/program.ts'
import type { Io } from '../../src/meshctl/io.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface FakeIoOptions {
  readonly isTerminal?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** What is typed when a secret is asked for. */
  readonly secret?: string
  /** Waits are that many times faster than they say. */
  readonly haste?: number
  readonly interrupt?: AbortSignal
}

/** Runs meshctl in this process, in front of a terminal that is none. */
export async function meshctl(
  socketPath: string,
  args: readonly string[],
  options: FakeIoOptions = {},
): Promise<Ran> {
  const { haste = 20, isTerminal = false, env = {} } = options
  const startedMs = Date.now()
  let out = ''
  let err = ''
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    readSecret: () => Promise.resolve(options.secret ?? ''),
    env: { MESH_HOST: `unix://${socketPath}`, ...env },
    isTerminal,
    columns: 80,
    nowMs: () => startedMs + (Date.now() - startedMs) * haste,
    pause: (ms) => sleep(ms / haste),
    watchInterrupt: () => options.interrupt ?? new AbortController().signal,
  }
  const code = await runMeshctl(args, io)
  return { code, out, err }
}
