import * as z from 'zod'
import { containerSpec, driver } from './container-schema.ts'
import { later, only, refusedYet } from './decode.ts'
import type { NodeSpec, PortConfig, ServiceSpec } from '../model/docker.ts'

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
const port = z.int().min(0).max(65_535)

const updateConfig = z.strictObject({
  Parallelism: count.exactOptional(),
  Delay: durationNs.exactOptional(),
  FailureAction: z.enum(['pause', 'continue', 'rollback']).exactOptional(),
  Monitor: durationNs.exactOptional(),
  MaxFailureRatio: z.number().min(0).max(1).exactOptional(),
  Order: z.enum(['stop-first', 'start-first']).exactOptional(),
})

/** What goes back never goes back again. */
const rollbackConfig = updateConfig.extend({
  FailureAction: z.enum(['pause', 'continue']).exactOptional(),
})

const resources = z.strictObject({
  Limits: z
    .strictObject({
      NanoCPUs: nanoCpus.exactOptional(),
      MemoryBytes: memoryBytes.exactOptional(),
      Pids: z.int().min(-1).exactOptional(),
    })
    .exactOptional(),
  Reservations: z
    .strictObject({
      NanoCPUs: nanoCpus.exactOptional(),
      MemoryBytes: memoryBytes.exactOptional(),
      GenericResources: later.exactOptional(),
    })
    .exactOptional(),
  SwapBytes: z.int().min(-1).exactOptional(),
  MemorySwappiness: z.int().min(-1).max(100).exactOptional(),
})

const restartPolicy = z.strictObject({
  Condition: z.enum(['none', 'on-failure', 'any']).exactOptional(),
  Delay: durationNs.exactOptional(),
  MaxAttempts: count.exactOptional(),
  Window: durationNs.exactOptional(),
})

const placement = z.strictObject({
  Constraints: z.array(z.string().max(4096)).max(1000).exactOptional(),
  Preferences: z
    .array(
      z.strictObject({
        Spread: z.strictObject({ SpreadDescriptor: z.string().max(4096) }).exactOptional(),
      }),
    )
    .max(100)
    .exactOptional(),
  MaxReplicas: count.exactOptional(),
  Platforms: z
    .array(
      z.strictObject({
        Architecture: z.string().max(64).exactOptional(),
        OS: z.string().max(64).exactOptional(),
      }),
    )
    .max(1000)
    .exactOptional(),
})

const taskSpec = z.strictObject({
  ContainerSpec: containerSpec,
  Resources: resources.exactOptional(),
  RestartPolicy: restartPolicy.exactOptional(),
  Placement: placement.exactOptional(),
  ForceUpdate: count.exactOptional(),
  Runtime: only('container').exactOptional(),
  Networks: later.exactOptional(),
  LogDriver: driver.exactOptional(),
  PluginSpec: later.exactOptional(),
  NetworkAttachmentSpec: later.exactOptional(),
})

const portConfig = z
  .strictObject({
    Name: z.string().max(256).exactOptional(),
    Protocol: z.enum(['', 'tcp', 'udp', 'sctp']).exactOptional(),
    TargetPort: port.min(1),
    PublishedPort: port.exactOptional(),
    PublishMode: z.enum(['', 'ingress', 'host']).exactOptional(),
  })
  .superRefine(({ Protocol, PublishMode }, context) => {
    if (PublishMode === 'host' || Protocol !== 'sctp') return
    context.addIssue({
      code: 'custom',
      path: ['Protocol'],
      message: '"sctp" has no effect in mode ingress (only "tcp" and "udp" do)',
      params: { notYet: true },
    })
  }) as unknown as z.ZodType<PortConfig>

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
  UpdateConfig: updateConfig.exactOptional(),
  RollbackConfig: rollbackConfig.exactOptional(),
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
