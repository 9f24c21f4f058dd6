import type { ContainerCreateOptions, HostConfig } from 'dockerode'
import type { ContainerSettings, Healthcheck, Mount, Privileges } from '../model/container-spec.ts'
import type { HostPort } from '../model/docker.ts'
import type { ContainerRequest } from './container-engine.ts'
import { factEnvironment } from './process-command.ts'

export interface CreateSurroundings {
  /** What marks the container as ours. */
  readonly labels: Readonly<Record<string, string>>
  /** Where host-mode ports are bound; empty for all addresses. */
  readonly hostAddress: string
}

/** A task's container as Docker's `POST /containers/create` wants it. */
export function createOptions(
  request: ContainerRequest,
  { labels, hostAddress }: CreateSurroundings,
): ContainerCreateOptions {
  const { settings } = request
  const facts = Object.entries(factEnvironment(request)).map(([name, value]) => `${name}=${value}`)
  const ports = request.hostPorts.map(portKey)
  return {
    name: request.name,
    Image: request.image,
    ...(request.command.length > 0 && { Entrypoint: [...request.command] }),
    ...(request.args.length > 0 && { Cmd: [...request.args] }),
    Env: [...request.env, ...facts],
    Labels: { ...request.labels, ...labels },
    ...(request.stopSignal !== null && { StopSignal: request.stopSignal }),
    ...(settings.Hostname && { Hostname: settings.Hostname }),
    ...(settings.Dir && { WorkingDir: settings.Dir }),
    ...(settings.User && { User: settings.User }),
    Tty: settings.TTY ?? false,
    OpenStdin: settings.OpenStdin ?? false,
    ...(settings.Healthcheck !== undefined && { Healthcheck: healthcheck(settings.Healthcheck) }),
    ...(ports.length > 0 && { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
    HostConfig: hostConfig(request, hostAddress),
  }
}

function hostConfig(request: ContainerRequest, hostAddress: string): HostConfig {
  const { settings, swapBytes, swappiness, memoryBytes, pidsLimit, logDriver, hostPorts } = request
  const config = {
    ...resourcesOf(settings),
    NanoCpus: request.nanoCpus,
    Memory: memoryBytes,
    ...(swapBytes !== null && { MemorySwap: swapBytes < 0 ? -1 : memoryBytes + swapBytes }),
    ...(swappiness !== null && { MemorySwappiness: swappiness }),
    ...(pidsLimit !== 0 && { PidsLimit: pidsLimit }),
    ...(logDriver !== null && {
      LogConfig: { Type: logDriver.Name ?? '', Config: { ...logDriver.Options } },
    }),
    ...(hostPorts.length > 0 && { PortBindings: bindings(hostPorts, hostAddress) }),
    // A task is started once: its replacement is another task.
    RestartPolicy: { Name: 'no' },
  }
  return config
}

function resourcesOf(settings: ContainerSettings): object {
  const { DNSConfig: dns, Privileges: privileges } = settings
  return {
    ...(settings.Groups !== undefined && { GroupAdd: settings.Groups }),
    ...(settings.Mounts !== undefined && { Mounts: settings.Mounts.map(mount) }),
    ...(settings.ReadOnly === true && { ReadonlyRootfs: true }),
    ...(settings.Init !== undefined && { Init: settings.Init }),
    ...(settings.Sysctls !== undefined && { Sysctls: settings.Sysctls }),
    ...(settings.CapabilityAdd !== undefined && { CapAdd: settings.CapabilityAdd }),
    ...(settings.CapabilityDrop !== undefined && { CapDrop: settings.CapabilityDrop }),
    ...(settings.Ulimits !== undefined && { Ulimits: settings.Ulimits }),
    ...(settings.OomScoreAdj !== undefined && { OomScoreAdj: settings.OomScoreAdj }),
    ...(settings.Hosts !== undefined && { ExtraHosts: settings.Hosts.flatMap(extraHosts) }),
    ...(dns?.Nameservers !== undefined && { Dns: dns.Nameservers }),
    ...(dns?.Search !== undefined && { DnsSearch: dns.Search }),
    ...(dns?.Options !== undefined && { DnsOptions: dns.Options }),
    ...(privileges !== undefined && { SecurityOpt: securityOptions(privileges) }),
  }
}

/** Docker's containers take the same shape as its services, but for what other types would need. */
function mount({ Type, Source, VolumeOptions, ...rest }: Mount): object {
  return {
    ...rest,
    Type,
    ...(Source && { Source }),
    ...(VolumeOptions !== undefined && { VolumeOptions }),
  }
}

/** What is absent or zero, Docker takes from the image; an empty Test too. */
const healthcheck = ({ Test, ...times }: Healthcheck): object => ({
  ...times,
  ...(Test !== undefined && Test.length > 0 && { Test: [...Test] }),
})

/** A line of /etc/hosts as Docker's `name:address`, one a name. */
function extraHosts(line: string): string[] {
  const [address = '', ...names] = line.trim().split(/\s+/)
  return names.map((name) => `${name}:${address}`)
}

function securityOptions(privileges: Privileges): string[] {
  const { NoNewPrivileges, Seccomp, AppArmor, SELinuxContext: selinux } = privileges
  const options: string[] = []
  if (NoNewPrivileges === true) options.push('no-new-privileges')
  if (Seccomp?.Mode === 'unconfined') options.push('seccomp=unconfined')
  if (Seccomp?.Mode === 'custom') {
    options.push(`seccomp=${Buffer.from(Seccomp.Profile ?? '', 'base64').toString('utf8')}`)
  }
  if (AppArmor?.Mode === 'disabled') options.push('apparmor=unconfined')
  if (selinux?.Disable === true) options.push('label=disable')
  for (const name of ['User', 'Role', 'Type', 'Level'] as const) {
    if (selinux?.[name]) options.push(`label=${name.toLowerCase()}:${selinux[name]}`)
  }
  return options
}

const portKey = ({ targetPort, protocol }: HostPort): string => `${targetPort}/${protocol}`

/** One target may be published more than once; without a number Docker takes any free port. */
function bindings(ports: readonly HostPort[], HostIp: string): Record<string, object[]> {
  const bound: Record<string, object[]> = {}
  for (const port of ports) {
    const HostPort = port.publishedPort === 0 ? '' : String(port.publishedPort)
    bound[portKey(port)] = [...(bound[portKey(port)] ?? []), { HostIp, HostPort }]
  }
  return bound
}
