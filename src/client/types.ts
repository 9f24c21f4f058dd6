/** Docker's objects as the API answers them, as far as meshctl reads them. */

export interface Meta {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly CreatedAt: string
  readonly UpdatedAt: string
}

export type Labels = Readonly<Record<string, string>>

export interface NodeSpec {
  readonly Name?: string
  readonly Labels?: Labels
  readonly Role: 'manager' | 'worker'
  readonly Availability: string
}

export interface ApiNode extends Meta {
  readonly Spec: NodeSpec
  readonly Description: {
    readonly Hostname: string
    readonly Platform: { readonly Architecture: string; readonly OS: string }
    readonly Resources?: { readonly NanoCPUs?: number; readonly MemoryBytes?: number }
    readonly Engine?: { readonly EngineVersion?: string; readonly Labels?: Labels }
    readonly Runtime?: string
  }
  readonly Status: { readonly State: string; readonly Message?: string; readonly Addr: string }
  readonly ManagerStatus?: {
    readonly Leader?: boolean
    readonly Reachability: string
    readonly Addr: string
  }
  readonly Mesh?: {
    /** Published ports that the node could not bind, with the reason. */
    readonly PortConflicts?: Readonly<Record<string, string>>
    /** The node that answers reaches it by TCP only. */
    readonly UdpBlocked?: boolean
  }
}

/** The published ports of one node. */
export interface ApiIngress {
  readonly NodeID: string
  readonly NodeName: string
  /** Why its ports are not known; absent when they are. */
  readonly Error?: string
  readonly Ports: readonly ApiIngressPort[]
}

export interface ApiIngressPort {
  readonly Port: number
  readonly Protocol: string
  readonly Mode: string
  readonly ServiceID: string
  readonly ServiceName: string
  /** Addresses at which it is bound, and whether that is everywhere where it should be. */
  readonly Listening: readonly string[]
  readonly Bound: boolean
  /** That clients can be sent to. */
  readonly Tasks: number
  readonly Warnings: readonly string[]
}

export interface PortConfig {
  readonly Protocol?: string
  readonly TargetPort: number
  readonly PublishedPort?: number
  readonly PublishMode?: string
}

export interface Quantities {
  readonly NanoCPUs?: number
  readonly MemoryBytes?: number
}

export interface ContainerSpec {
  readonly Image: string
  readonly Command?: readonly string[]
  readonly Args?: readonly string[]
  readonly Env?: readonly string[]
  readonly Labels?: Labels
  readonly StopSignal?: string
  readonly StopGracePeriod?: number
  readonly Mounts?: readonly Mount[]
  readonly [other: string]: unknown
}

export interface Mount {
  readonly Type: string
  readonly Source?: string
  readonly Target: string
  readonly ReadOnly?: boolean
  readonly [other: string]: unknown
}

export interface PlacementPreference {
  readonly Spread?: { readonly SpreadDescriptor: string }
}

export interface UpdateConfig {
  readonly Parallelism?: number
  readonly Delay?: number
  readonly FailureAction?: string
  readonly Monitor?: number
  readonly MaxFailureRatio?: number
  readonly Order?: string
}

/** Of the last update or rollback. */
export interface UpdateStatus {
  readonly State: string
  readonly StartedAt?: string
  readonly CompletedAt?: string
  readonly Message?: string
}

export interface ServiceSpec {
  readonly Name: string
  readonly Labels?: Labels
  readonly TaskTemplate: {
    readonly ContainerSpec: ContainerSpec
    readonly Resources?: { readonly Limits?: Quantities; readonly Reservations?: Quantities }
    readonly RestartPolicy?: {
      readonly Condition?: string
      readonly Delay?: number
      readonly MaxAttempts?: number
      readonly Window?: number
    }
    readonly Placement?: {
      readonly Constraints?: readonly string[]
      readonly Preferences?: readonly PlacementPreference[]
      readonly MaxReplicas?: number
      readonly Platforms?: readonly { readonly Architecture: string; readonly OS: string }[]
    }
    readonly [other: string]: unknown
  }
  readonly Mode: {
    readonly Replicated?: { readonly Replicas?: number }
    readonly Global?: object
  }
  readonly UpdateConfig?: UpdateConfig
  readonly RollbackConfig?: UpdateConfig
  readonly EndpointSpec?: { readonly Mode?: string; readonly Ports?: readonly PortConfig[] }
  readonly [other: string]: unknown
}

export interface ApiService extends Meta {
  readonly Spec: ServiceSpec
  readonly Endpoint?: { readonly Ports?: readonly PortConfig[] }
  readonly UpdateStatus?: UpdateStatus
  readonly ServiceStatus?: { readonly RunningTasks: number; readonly DesiredTasks: number }
}

export interface ApiTask extends Meta {
  readonly ServiceID: string
  readonly ServiceName: string
  readonly Slot?: number
  readonly NodeID?: string
  readonly Spec: { readonly ContainerSpec: { readonly Image: string } }
  readonly Status: {
    readonly Timestamp: string
    readonly State: string
    readonly Message?: string
    readonly Err?: string
  }
  readonly DesiredState: string
}

export interface ApiInfo {
  readonly ID: string
  readonly Name: string
  readonly ServerVersion: string
  readonly Containers: number
  readonly ContainersRunning: number
  readonly NCPU: number
  readonly MemTotal: number
  readonly OperatingSystem: string
  readonly Architecture: string
  readonly Swarm: {
    readonly NodeID: string
    readonly NodeAddr: string
    readonly LocalNodeState: string
    readonly ControlAvailable: boolean
    readonly Nodes: number
    readonly Managers: number
    readonly RemoteManagers: readonly { readonly NodeID: string; readonly Addr: string }[]
    readonly Cluster?: { readonly ID: string }
  }
  readonly Mesh?: { readonly Leader: string | null; readonly Runtime: string }
}

export interface ApiSwarm extends Meta {
  readonly Spec: Readonly<Record<string, unknown>> & {
    readonly CAConfig?: { readonly ForceRotate?: number }
    readonly EncryptionConfig?: { readonly AutoLockManagers: boolean }
  }
  readonly TLSInfo: { readonly TrustRoot: string }
  readonly RootRotationInProgress: boolean
  readonly JoinTokens: { readonly Worker: string; readonly Manager: string }
}

export interface Explanation {
  readonly Lines: readonly string[]
  readonly Hint: string
}

export interface ImageDistribution {
  readonly Descriptor: { readonly digest: string }
  readonly Platforms: readonly { readonly architecture?: string; readonly os?: string }[] | null
}

export type Filters = Readonly<Record<string, readonly string[]>>

export interface LogSubject {
  readonly kind: 'service' | 'task'
  readonly id: string
}

/** Times are seconds since 1970, or RFC 3339. */
export interface LogOptions {
  readonly follow: boolean
  readonly timestamps: boolean
  readonly details: boolean
  readonly tail?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export interface EventOptions {
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly filters?: Filters
}

export interface ApiEvent {
  readonly Type: string
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes: Labels }
  readonly scope: string
  readonly time: number
  readonly timeNano: number
}

/** What a restore did. */
export interface Restored {
  readonly Created: number
  readonly Updated: number
  readonly Removed: number
  /** Names of nodes that are in the snapshot and not in the cluster. */
  readonly MissingNodes: readonly string[]
}
