/** What docker's CLI 28 posts for `service create --name web --publish 8080:80 img:1` (recorded). */
export const webSpec = {
  Name: 'web',
  Labels: {},
  TaskTemplate: {
    ContainerSpec: { Image: 'img:1', Init: false, DNSConfig: {} },
    Resources: { Limits: {}, Reservations: {} },
    Placement: {},
    ForceUpdate: 0,
  },
  Mode: { Replicated: {} },
  EndpointSpec: {
    Mode: 'vip',
    Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }],
  },
}

/** The same with every flag that has an effect (recorded). */
export const fullSpec = {
  Name: 'full',
  Labels: { x: 'y' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'img:1',
      Labels: { c: 'd' },
      Args: ['cmd', 'a', 'b'],
      Env: ['A=b'],
      Init: false,
      StopSignal: 'SIGINT',
      StopGracePeriod: 4_000_000_000,
      DNSConfig: {},
    },
    Resources: {
      Limits: { NanoCPUs: 500_000_000, MemoryBytes: 10_485_760 },
      Reservations: { NanoCPUs: 100_000_000, MemoryBytes: 5_242_880 },
    },
    RestartPolicy: {
      Condition: 'any',
      Delay: 3_000_000_000,
      MaxAttempts: 2,
      Window: 3_000_000_000,
    },
    Placement: { Constraints: ['node.role==worker'], MaxReplicas: 2 },
    ForceUpdate: 0,
  },
  Mode: { Replicated: { Replicas: 2 } },
  EndpointSpec: { Mode: 'vip' },
}

export interface ShownService {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly Spec: typeof webSpec & { readonly [field: string]: unknown }
  readonly Endpoint: { readonly Ports?: readonly { readonly PublishedPort: number }[] }
  readonly PreviousSpec?: unknown
  readonly UpdateStatus?: unknown
  readonly ServiceStatus?: { readonly RunningTasks: number; readonly DesiredTasks: number }
}
