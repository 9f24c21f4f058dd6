import { readFileSync } from 'node:fs'
import { cpuSeconds } from '../process-cost.ts'
import type { Path } from './rows.ts'

/** Somebody who proxies: all of its processes, and where it listens for what it can do. */
export interface Contender {
  readonly name: string
  readonly pids: readonly number[]
  readonly addresses: Readonly<Partial<Record<Path, string>>>
  readonly settings: string
}

export const cpuOf = ({ pids }: Contender): number =>
  pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)

export function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return list === '' ? [] : list.split(' ').map(Number)
}

/** Every entry listens on these of its own address. */
export const ports: Readonly<Record<Path, number>> = {
  tcp: 8001,
  http: 8002,
  'far-tcp': 8003,
  'far-http': 8004,
}
