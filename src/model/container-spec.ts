/** Docker's ContainerSpec: what a task's container is made of. Durations are nanoseconds. */
export interface ContainerSpec extends ContainerSettings {
  readonly Image: string
  readonly Command?: readonly string[]
  readonly Args?: readonly string[]
  /** `NAME=value`, or `NAME` alone. */
  readonly Env?: readonly string[]
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
  readonly StopGracePeriod?: number
  readonly PullOptions?: PullOptions
}

/** Docker keeps registry credentials with the spec, and so they go where its tasks go. */
export interface PullOptions {
  /** As `X-Registry-Auth` brought it. Never leaves by the API, never in a log. */
  readonly RegistryAuth?: string
}

/** What an engine is told beside image, command and environment. */
export interface ContainerSettings {
  readonly Hostname?: string
  readonly Dir?: string
  readonly User?: string
  readonly Groups?: readonly string[]
  readonly Privileges?: Privileges
  readonly TTY?: boolean
  readonly OpenStdin?: boolean
  readonly ReadOnly?: boolean
  readonly Mounts?: readonly Mount[]
  readonly Healthcheck?: Healthcheck
  /** `IP name [name …]`, as a line of /etc/hosts. */
  readonly Hosts?: readonly string[]
  readonly DNSConfig?: DnsConfig
  readonly Init?: boolean
  readonly Sysctls?: Readonly<Record<string, string>>
  readonly CapabilityAdd?: readonly string[]
  readonly CapabilityDrop?: readonly string[]
  readonly Ulimits?: readonly Ulimit[]
  readonly OomScoreAdj?: number
}

export interface Mount {
  readonly Type?: 'bind' | 'volume' | 'tmpfs'
  /** A path on the node, or a volume's name; empty for a volume of its own, and for tmpfs. */
  readonly Source?: string
  readonly Target: string
  readonly ReadOnly?: boolean
  readonly Consistency?: string
  readonly BindOptions?: {
    readonly Propagation?: string
    readonly NonRecursive?: boolean
    readonly CreateMountpoint?: boolean
    readonly ReadOnlyNonRecursive?: boolean
    readonly ReadOnlyForceRecursive?: boolean
  }
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean
    readonly Labels?: Readonly<Record<string, string>>
    readonly DriverConfig?: Driver
    readonly Subpath?: string
  }
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number
    readonly Mode?: number
    readonly Options?: readonly (readonly string[])[]
  }
}

export interface Driver {
  readonly Name?: string
  readonly Options?: Readonly<Record<string, string>>
}

/** Empty fields take the image's values; a Test of `NONE` turns the image's check off. */
export interface Healthcheck {
  readonly Test?: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

export interface DnsConfig {
  readonly Nameservers?: readonly string[]
  readonly Search?: readonly string[]
  readonly Options?: readonly string[]
}

export interface Ulimit {
  readonly Name: string
  readonly Soft?: number
  readonly Hard?: number
}

export interface Privileges {
  readonly NoNewPrivileges?: boolean
  readonly Seccomp?: {
    readonly Mode?: 'default' | 'unconfined' | 'custom'
    /** Base64 of its JSON. */
    readonly Profile?: string
  }
  readonly AppArmor?: { readonly Mode?: 'default' | 'disabled' }
  readonly SELinuxContext?: {
    readonly Disable?: boolean
    readonly User?: string
    readonly Role?: string
    readonly Type?: string
    readonly Level?: string
  }
}
