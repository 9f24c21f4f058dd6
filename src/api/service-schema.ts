import * as z from 'zod'
import { later, only, refusedYet } from './decode.ts'
import type { NodeSpec, ServiceSpec } from '../model/docker.ts'

/** Docker's ServiceSpec: what meshd acts on is typed, what it does not is `later` or `only`. */

const maxDurationNs = Number.MAX_SAFE_INTEGER
const durationNs = z.int().min(0).max(maxDurationNs)
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const nanoCpus = count.refine((value) => value === 0 || value >= 1e6, 'must be at least 0.001 CPUs')
const memoryBytes = count.refine(
  (value) => value === 0 || value >= 4 * 1024 * 1024,
  'must be at least 4 MiB',
)
const text = z.string().max(64 * 1024)
const textMap = z.record(z.string().min(1, 'a label needs a name'), text)
const texts = z.array(text).max(10_000)
const port = z.int().min(0).max(65_535)

/** What the docker CLI sends, and `insertDefaults` shows, when nobody asked for anything. */
const rollout = z.strictObject({
  Parallelism: only(1).exactOptional(),
  Delay: later.exactOptional(),
  FailureAction: only('pause').exactOptional(),
  Monitor: only(5_000_000_000).exactOptional(),
  MaxFailureRatio: later.exactOptional(),
  Order: only('stop-first').exactOptional(),
})

const containerSpec = z.strictObject({
  Image: z.string().min(1, 'an image is needed').max(4096),
  Command: texts.exactOptional(),
  Args: texts.exactOptional(),
  Env: z
    .array(text.refine((entry) => /^[^=\0]+(=|$)/.test(entry), 'must be NAME=value or NAME'))
    .max(10_000)
    .exactOptional(),
  Labels: textMap.exactOptional(),
  StopSignal: z
    .string()
    .regex(
      /^(?:\d{1,2}|(?:SIG)?[A-Za-z0-9]{1,10}(?:[+-]\d{1,2})?)?$/,
      'is not the name of a signal',
    )
    .exactOptional(),
  StopGracePeriod: durationNs.exactOptional(),
  Hostname: later.exactOptional(),
  Dir: later.exactOptional(),
  User: later.exactOptional(),
  Groups: later.exactOptional(),
  Privileges: later.exactOptional(),
  TTY: later.exactOptional(),
  OpenStdin: later.exactOptional(),
  ReadOnly: later.exactOptional(),
  Mounts: later.exactOptional(),
  Healthcheck: later.exactOptional(),
  Hosts: later.exactOptional(),
  DNSConfig: later.exactOptional(),
  Secrets: later.exactOptional(),
  Configs: later.exactOptional(),
  Isolation: only('default').exactOptional(),
  Init: later.exactOptional(),
  Sysctls: later.exactOptional(),
  CapabilityAdd: later.exactOptional(),
  CapabilityDrop: later.exactOptional(),
  Ulimits: later.exactOptional(),
  OomScoreAdj: later.exactOptional(),
})

const resources = z.strictObject({
  Limits: z
    .strictObject({
      NanoCPUs: nanoCpus.exactOptional(),
      MemoryBytes: memoryBytes.exactOptional(),
      Pids: later.exactOptional(),
    })
    .exactOptional(),
  Reservations: z
    .strictObject({
      NanoCPUs: nanoCpus.exactOptional(),
      MemoryBytes: memoryBytes.exactOptional(),
      GenericResources: later.exactOptional(),
    })
    .exactOptional(),
  SwapBytes: later.exactOptional(),
  MemorySwappiness: later.exactOptional(),
})

const restartPolicy = z.strictObject({
  Condition: z.enum(['none', 'on-failure', 'any']).exactOptional(),
  Delay: durationNs.exactOptional(),
  MaxAttempts: count.exactOptional(),
  Window: durationNs.exactOptional(),
})

const placement = z.strictObject({
  Constraints: z.array(z.string().max(4096)).max(1000).exactOptional(),
  Preferences: later.exactOptional(),
  MaxReplicas: count.exactOptional(),
  Platforms: later.exactOptional(),
})

const taskSpec = z.strictObject({
  ContainerSpec: containerSpec,
  Resources: resources.exactOptional(),
  RestartPolicy: restartPolicy.exactOptional(),
  Placement: placement.exactOptional(),
  ForceUpdate: count.exactOptional(),
  Runtime: only('container').exactOptional(),
  Networks: later.exactOptional(),
  LogDriver: later.exactOptional(),
  PluginSpec: later.exactOptional(),
  NetworkAttachmentSpec: later.exactOptional(),
})

const portConfig = z.strictObject({
  Name: z.string().max(256).exactOptional(),
  Protocol: only('tcp').exactOptional(),
  TargetPort: port.min(1),
  PublishedPort: port.exactOptional(),
  PublishMode: only('ingress').exactOptional(),
})

/** Even an empty one asks for a job. */
const jobs = refusedYet

const mode = z
  .strictObject({
    Replicated: z
      .strictObject({ Replicas: z.int().min(0).max(100_000).exactOptional() })
      .exactOptional(),
    Global: z.strictObject({}).exactOptional(),
    ReplicatedJob: jobs.exactOptional(),
    GlobalJob: jobs.exactOptional(),
  })
  .refine((value) => Object.keys(value).length <= 1, 'names more than one mode')

/** As submitted; a missing name is drawn by whoever creates the service. */
export type SubmittedSpec = Omit<ServiceSpec, 'Name'> & { readonly Name?: string }

export const serviceSpecSchema: z.ZodType<SubmittedSpec> = z.strictObject({
  Name: text.exactOptional(),
  Labels: textMap.exactOptional(),
  TaskTemplate: taskSpec,
  Mode: mode.exactOptional(),
  UpdateConfig: rollout.exactOptional(),
  RollbackConfig: rollout.exactOptional(),
  Networks: later.exactOptional(),
  EndpointSpec: z
    .strictObject({
      Mode: only('vip').exactOptional(),
      Ports: z.array(portConfig).max(1000).exactOptional(),
    })
    .exactOptional(),
})

export const nodeSpecSchema: z.ZodType<NodeSpec> = z.strictObject({
  Name: z.string().max(256).exactOptional(),
  Labels: textMap.exactOptional(),
  Role: z.enum(['manager', 'worker']),
  Availability: z.enum(['active', 'pause', 'drain']),
})
