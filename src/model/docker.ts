import type { JsonObject } from '../../mesh/base/json.ts'
import type { ContainerSpec, Driver } from './container-spec.ts'

/**
 * Docker's objects as the Engine API (1.47) documents them, as far as meshd reads them. They are
 * stored as submitted, unknown fields included, so that a client's read-modify-write loses nothing;
 * rules read them through the views of this folder, which fill in defaults once.
 * Durations are nanoseconds, sizes bytes.
 */
export type { ContainerSpec, JsonObject }

export interface ServiceSpec {
  readonly Name: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly TaskTemplate: TaskSpec
  readonly Mode?: ServiceMode
  readonly UpdateConfig?: UpdateConfig
  readonly RollbackConfig?: UpdateConfig
  readonly EndpointSpec?: EndpointSpec
}

/** How tasks are replaced. */
export interface UpdateConfig {
  /** Places at once; 0: all of them. */
  readonly Parallelism?: number
  readonly Delay?: number
  readonly FailureAction?: 'pause' | 'continue' | 'rollback'
  readonly Monitor?: number
  readonly MaxFailureRatio?: number
  readonly Order?: 'stop-first' | 'start-first'
}

export interface ServiceMode {
  readonly Replicated?: { readonly Replicas?: number }
  readonly Global?: JsonObject
  readonly ReplicatedJob?: JsonObject
  readonly GlobalJob?: JsonObject
}

export interface TaskSpec {
  readonly ContainerSpec: ContainerSpec
  readonly Resources?: {
    readonly Limits?: {
      readonly NanoCPUs?: number
      readonly MemoryBytes?: number
      readonly Pids?: number
    }
    readonly Reservations?: { readonly NanoCPUs?: number; readonly MemoryBytes?: number }
    /** Beyond the memory limit; -1 is no limit. */
    readonly SwapBytes?: number
    readonly MemorySwappiness?: number
  }
  readonly RestartPolicy?: {
    readonly Condition?: 'none' | 'on-failure' | 'any'
    readonly Delay?: number
    readonly MaxAttempts?: number
    readonly Window?: number
  }
  readonly Placement?: {
    readonly Constraints?: readonly string[]
    readonly Preferences?: readonly { readonly Spread?: { readonly SpreadDescriptor?: string } }[]
    readonly MaxReplicas?: number
    readonly Platforms?: readonly { readonly Architecture?: string; readonly OS?: string }[]
  }
  readonly ForceUpdate?: number
  readonly Runtime?: string
  readonly LogDriver?: Driver
}

export interface EndpointSpec {
  readonly Mode?: 'vip' | 'dnsrr'
  readonly Ports?: readonly PortConfig[]
}

export interface PortConfig {
  readonly Name?: string
  readonly Protocol?: 'tcp' | 'udp' | 'sctp'
  readonly TargetPort: number
  readonly PublishedPort?: number
  readonly PublishMode?: 'ingress' | 'host'
}

/** Swarm's task states, in the order in which a task passes them; it never goes back. */
export type TaskState =
  | 'new'
  | 'pending'
  | 'assigned'
  | 'accepted'
  | 'preparing'
  | 'ready'
  | 'starting'
  | 'running'
  | 'complete'
  | 'shutdown'
  | 'failed'
  | 'rejected'
  | 'remove'
  | 'orphaned'

export type DesiredState = 'ready' | 'running' | 'shutdown' | 'remove'

export interface TaskStatus {
  /** RFC 3339. */
  readonly Timestamp: string
  readonly State: TaskState
  readonly Message?: string
  /** Why, when it went wrong; for people. */
  readonly Err?: string
  readonly ContainerStatus?: {
    readonly ContainerID?: string
    readonly PID?: number
    readonly ExitCode?: number
  }
  /** Host-mode ports as the node gave them. */
  readonly PortStatus?: { readonly Ports?: readonly PortConfig[] }
}

/**
 * Why the leader wants a task to stop although its service still wants it to run: its node was lost
 * or drained, its node no longer fits, another task holds its place, or an update replaces it. Such a
 * task is replaced without the restart delay and does not count as a failed attempt.
 */
export type StopCause = 'node-lost' | 'node-drained' | 'not-eligible' | 'superseded' | 'updated'

/** Body of a catalog object of kind `task`. */
export interface Task {
  readonly ServiceID: string
  readonly Slot?: number
  readonly NodeID?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly Spec: TaskSpec
  readonly Status: TaskStatus
  readonly DesiredState: DesiredState
  /** Ours: name of the service, so that a worker needs no service to name a container. */
  readonly ServiceName: string
  /** Ours: there only when a template of its spec asks for them. */
  readonly ServiceLabels?: Readonly<Record<string, string>>
  /** Ours: the host-mode ports that its service published when it was made. */
  readonly HostPorts?: readonly PortConfig[]
  /** Ours: version of the service's spec that this task was made from. */
  readonly SpecVersion: { readonly Index: number }
  /**
   * Ours: the tunnel's generation; 0 before the task has a node. The leader takes the index of the
   * catalog it looked at, plus one: that is at most the Raft index of the assignment, and, as a task
   * is assigned once and ids are never used again, it never repeats for a task.
   */
  readonly Generation: number
  /** Ours: absent while it is wanted, and on a task that ended by itself. */
  readonly StopCause?: StopCause
  /** Ours: when it was first seen running. An update watches it from then on. */
  readonly RunningAt?: string
  /** Ours: it may not start before; it waits in desired state `ready`. */
  readonly NotBefore?: string
  /** Ours: how many quick failures in its place came one after the other right before it. */
  readonly Restarts?: number
  /** Ours: an update made it, so how it fares decides how that goes on. */
  readonly IsUpdate?: true
  /** Ours: ports that the ingress was to dial at it when it was made. */
  readonly TargetPorts?: readonly number[]
}

/** Body of a catalog object of kind `service`. */
export interface Service {
  readonly Spec: ServiceSpec
  readonly PreviousSpec?: ServiceSpec
  /** Ports as they are, published ones filled in. */
  readonly Endpoint: { readonly Spec?: EndpointSpec; readonly Ports?: readonly PortConfig[] }
  /** Raft index of the last change of Spec (not of status). */
  readonly SpecVersion: { readonly Index: number }
  /** Absent before the first update, and until the leader found that a change replaces tasks. */
  readonly UpdateStatus?: UpdateStatus
}

export type UpdateState =
  | 'updating'
  | 'paused'
  | 'completed'
  | 'rollback_started'
  | 'rollback_paused'
  | 'rollback_completed'

export interface UpdateStatus {
  readonly State: UpdateState
  readonly StartedAt: string
  readonly CompletedAt?: string
  readonly Message: string
}

export interface NodeSpec {
  readonly Name?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly Role: 'manager' | 'worker'
  readonly Availability: 'active' | 'pause' | 'drain'
}

export interface NodeDescription {
  readonly Hostname: string
  readonly Platform: { readonly Architecture: string; readonly OS: string }
  readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number }
  readonly Engine: {
    readonly EngineVersion: string
    readonly Labels?: Readonly<Record<string, string>>
  }
  /** Ours: which runtime runs its tasks. */
  readonly Runtime: 'docker' | 'process'
  /** Ours: where the node answers the API and joins, `host:port`. */
  readonly ApiAddress?: string
}

/** Body of a catalog object of kind `node`. */
export interface Node {
  readonly Spec: NodeSpec
  readonly Description: NodeDescription
  readonly Status: {
    readonly State: 'unknown' | 'down' | 'ready' | 'disconnected'
    readonly Message?: string
    readonly Addr: string
  }
  /** Of managers: where they answer the API. Leader and reachability are filled in when read. */
  readonly ManagerStatus?: { readonly Addr: string }
  /** Ours. */
  readonly Mesh: {
    readonly PeerId: string
    readonly RaftId: number
    /** SHA-256 of the TLS public key (SPKI), hex: a node keeps it through renewals. */
    readonly KeyDigest: string
    readonly GossipAddress: string
    readonly ControlAddress: string
    readonly DataPathAddress: string
  }
}

/** Body of the one catalog object of kind `cluster`, id = cluster id. */
export interface Cluster {
  readonly Spec: JsonObject
  readonly CreatedAt: string
  /** Never leaves the managers. */
  readonly Secrets: {
    /** Of the authority that signs, which is not the root where there is an intermediate. */
    readonly CaKeyPem: string
    /** While it is being replaced: the next one's. */
    readonly NextCaKeyPem?: string
    readonly JoinSecrets: { readonly Manager: string; readonly Worker: string }
    /** AES-256 keys, base64; the first one seals. Every member gets them at its join. */
    readonly GossipKeys: readonly string[]
    /** When that was last changed. */
    readonly GossipKeysAtMs?: number
    /** Opens the keys of managers that are locked; null: not any more. Every change has the next serial. */
    readonly UnlockKey?: { readonly Serial: number; readonly Key: string | null }
    /** The key is being changed: what was done last, and when. */
    readonly GossipKeyChange?: { readonly Step: 'spread' | 'seal'; readonly AtMs: number }
  }
  /** All that a worker sees of `Secrets`: it gossips, too. */
  readonly GossipKeys?: readonly string[]
  /** The root, which join tokens pin. */
  readonly CaCertificatePem: string
  /** What the root has set under it to sign in its place. */
  readonly CaIntermediatePem?: string
  /** Leads from it to authorities of before, for nodes that were away all the time, newest first. */
  readonly CaFormerPem?: readonly string[]
  readonly CaRotation?: CaRotation
}

/** The authority is being replaced, step by step. */
export interface CaRotation {
  readonly Id: string
  /** `trust`: all learn to trust the next root; `issue`: it issues, and all get new certificates. */
  readonly Step: 'trust' | 'issue'
  readonly AtMs: number
  readonly CaCertificatePem: string
  readonly CaIntermediatePem?: string
  /** The present authority's word for the next one. */
  readonly CrossPem: string
}

/** A port of a task on its own node, beside the ingress. */
export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly targetPort: number
  /** 0: any that is free. */
  readonly publishedPort: number
}

/** Value of the discovery record `task/<task id>`: what its node says of it. */
export interface TaskRecord {
  readonly service: string
  readonly generation: number
  readonly state: TaskState
  readonly at: string
  readonly message: string
  readonly err: string
  readonly containerId: string
  readonly exitCode: number | null
  readonly pid: number
  /** The ingress may send connections to it: it accepts, and it is not draining. */
  readonly serving: boolean
  readonly draining: boolean
  /** Target port → where this node's ingress dials it, `host:port`. */
  readonly targets: Readonly<Record<string, string>>
  /** Host-mode ports as the node gave them; absent when there are none. */
  readonly hostPorts?: readonly HostPort[]
}

/** The message of a node that takes no tasks because it ends, in order. */
export const beingStopped: string = 'this node is being stopped'

/** Value of the discovery record `node/status`: what a node says of itself. */
export interface NodeRecord {
  readonly description: NodeDescription
  /** It takes tasks: the container engine answers, and the node is not being stopped. */
  readonly engineReady: boolean
  readonly message: string
  readonly ingressReady: boolean
  /** Published ports that this node could not bind, with the reason. */
  readonly portConflicts: Readonly<Record<string, string>>
}
