import type { Task } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { hostPortsOf, targetPortsOf } from './outdated.ts'
import type { TaskStart } from './restart.ts'
import type { Worksheet } from './worksheet.ts'

export interface TaskOrder {
  /** 0 for a global service. */
  readonly slot: number
  readonly start: TaskStart
  readonly isUpdate?: boolean
}

/** A task of this service as its spec is now, not yet placed, and not yet allowed to start. */
export function createTask(
  sheet: Worksheet,
  service: ServiceView,
  { slot, start, isUpdate = false }: TaskOrder,
): TaskView {
  const body: Task = {
    ServiceID: service.id,
    ...(slot > 0 && { Slot: slot }),
    Labels: meshLabels(service),
    Spec: service.body.Spec.TaskTemplate,
    Status: { Timestamp: rfc3339(sheet.nowMs), State: 'new', Message: 'created' },
    DesiredState: 'ready',
    ServiceName: service.name,
    ...portsOf(service),
    ...(start.kind === 'after' && afterFailure(start, sheet.nowMs)),
    ...(isUpdate && { IsUpdate: true }),
    ...labelsForTemplates(service),
    SpecVersion: service.body.SpecVersion,
    Generation: 0,
  }
  return sheet.createTask(body)
}

function afterFailure(
  { delayMs, failures }: Extract<TaskStart, { readonly kind: 'after' }>,
  nowMs: number,
): Pick<Task, 'NotBefore' | 'Restarts'> {
  return {
    ...(delayMs > 0 && { NotBefore: rfc3339(nowMs + delayMs) }),
    ...(failures > 0 && { Restarts: failures }),
  }
}

function portsOf(service: ServiceView): Pick<Task, 'HostPorts' | 'TargetPorts'> {
  const host = hostPortsOf(service)
  const target = targetPortsOf(service)
  return { ...(host.length > 0 && { HostPorts: host }), TargetPorts: target }
}

/** Only templates need them, and few name them. */
function labelsForTemplates({ body, labels }: ServiceView): Pick<Task, 'ServiceLabels'> {
  const isAsked = JSON.stringify(body.Spec.TaskTemplate).includes('.Service.Labels')
  return isAsked ? { ServiceLabels: labels } : {}
}

/** A task outlives its service while it drains: what it needs of the labels goes with it. */
function meshLabels(service: ServiceView): Record<string, string> {
  const own = Object.entries(service.labels).filter(([label]) => label.startsWith('mesh.'))
  return Object.fromEntries(own)
}
