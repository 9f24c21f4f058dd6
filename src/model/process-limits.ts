import type { ContainerSettings, Driver } from './container-spec.ts'

type Setting = keyof ContainerSettings

/** What only a container can be given; a plain process has the daemon's own world. */
const beyond: readonly Setting[] = [
  'User',
  'Groups',
  'Privileges',
  'TTY',
  'OpenStdin',
  'ReadOnly',
  'Mounts',
  'Hosts',
  'DNSConfig',
  'Sysctls',
  'CapabilityAdd',
  'CapabilityDrop',
  'Ulimits',
  'OomScoreAdj',
]

/** The first setting that the `process` runtime cannot give a task; null when it can give all. */
export function beyondProcess(
  settings: ContainerSettings,
  logDriver: Driver | null,
): string | null {
  if (logDriver !== null) return 'LogDriver'
  return beyond.find((name) => asksForSomething(settings[name])) ?? null
}

/** Go's zero values ask for nothing. */
function asksForSomething(value: unknown): boolean {
  if (value === undefined || value === '' || value === 0 || value === false) return false
  return typeof value !== 'object' || value === null || Object.values(value).some(asksForSomething)
}
