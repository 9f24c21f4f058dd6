import type { Daemon } from './daemon.ts'

/** What a command prints, line by line; fails when it fails. */
export async function lines(daemon: Daemon, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await daemon.meshctl(...args)
  if (code !== 0) throw new Error(`meshctl ${args.join(' ')}: ${stderr}`)
  return stdout.split('\n').filter((line) => line !== '')
}

export async function runningTasks(daemon: Daemon, service: string): Promise<number> {
  const filter = ['--filter', 'desired-state=running', '--format', '{{.CurrentState}}']
  const states = await lines(daemon, 'service', 'ps', service, ...filter)
  return states.filter((state) => state.startsWith('Running')).length
}
