import * as z from 'zod'
import type { Json } from '../../mesh/base/json.ts'
import type { HostPort, NodeDescription, NodeRecord, TaskRecord } from '../model/docker.ts'

/**
 * What nodes say about themselves, as others read it. A value that is not one is as good as none:
 * its writer may be newer than we are, or broken, and neither may stop us.
 */
const maxTextLength = 1024
const maxLabels = 256
const maxPorts = 1024

const text = z.string().max(maxTextLength)
const count = z.int().nonnegative()
const port = z.string().regex(/^[1-9]\d{0,4}$/)
const hostPort = z.string().regex(/^(?:\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z.-]{1,253}):[1-9]\d{0,4}$/)

const boundedRecord = <K extends z.ZodString, V extends z.ZodType>(
  key: K,
  value: V,
  max: number,
): z.ZodRecord<K, V> =>
  z.record(key, value).refine((found) => Object.keys(found).length <= max, `at most ${max} entries`)

const taskState = z.enum([
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
  'complete',
  'shutdown',
  'failed',
  'rejected',
  'remove',
  'orphaned',
])

const portNumber = z.int().min(0).max(65_535)
const publishedPort: z.ZodType<HostPort> = z.object({
  protocol: z.enum(['tcp', 'udp', 'sctp']),
  targetPort: portNumber,
  publishedPort: portNumber,
})

const taskRecord: z.ZodType<TaskRecord> = z.object({
  service: text,
  generation: count,
  state: taskState,
  at: z.iso.datetime({ offset: true }),
  message: text,
  err: text,
  containerId: text,
  exitCode: z.int().nullable(),
  pid: count,
  serving: z.boolean(),
  draining: z.boolean(),
  targets: boundedRecord(port, hostPort, maxPorts),
  hostPorts: z.array(publishedPort).max(maxPorts).exactOptional(),
})

const nodeDescription: z.ZodType<NodeDescription> = z.object({
  Hostname: text,
  Platform: z.object({ Architecture: text, OS: text }),
  Resources: z.object({ NanoCPUs: count, MemoryBytes: count }),
  Engine: z.object({
    EngineVersion: text,
    Labels: boundedRecord(text, text, maxLabels).exactOptional(),
  }),
  Runtime: z.enum(['docker', 'process']),
  ApiAddress: hostPort.exactOptional(),
})

const nodeRecord: z.ZodType<NodeRecord> = z.object({
  description: nodeDescription,
  engineReady: z.boolean(),
  message: text,
  ingressReady: z.boolean(),
  portConflicts: boundedRecord(text, text, maxPorts),
})

/** Null when it is none. */
export const decodeTaskRecord = (json: Json): TaskRecord | null =>
  taskRecord.safeParse(json).data ?? null

export const decodeNodeRecord = (json: Json): NodeRecord | null =>
  nodeRecord.safeParse(json).data ?? null
