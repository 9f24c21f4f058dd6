import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** The kernel counts in these on every Linux that Node runs on. */
const ticksPerSecond = 100

/** Seconds of CPU, in user and kernel mode, that a process has used so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name before the last bracket may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1]) * 1024
}

/** How busy the whole machine was since this was made, in cores: our figures share it with others. */
export class MachineLoad {
  readonly #startedMs = performance.now()
  readonly #startedBusy = busySeconds()

  describe(oursSeconds: number): string {
    const seconds = (performance.now() - this.#startedMs) / 1000
    const ours = oursSeconds / seconds
    const others = Math.max(0, (busySeconds() - this.#startedBusy) / seconds - ours)
    const cores = availableParallelism()
    return `of ${cores} cores we used ${ours.toFixed(2)}, others ${others.toFixed(2)}`
  }
}

function busySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond
}
