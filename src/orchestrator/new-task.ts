import type { Task } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import type { RestartDecision } from './restart.ts'
import type { Worksheet } from './worksheet.ts'

/** A task of this service as its spec is now, not yet placed. */
export function createTask(
  sheet: Worksheet,
  service: ServiceView,
  { slot, start }: { readonly slot: number; readonly start: RestartDecision },
): TaskView {
  const isDelayed = start.kind === 'after' && start.delayMs > 0
  const body: Task = {
    ServiceID: service.id,
    ...(slot > 0 && { Slot: slot }),
    Labels: meshLabels(service),
    Spec: service.body.Spec.TaskTemplate,
    Status: { Timestamp: rfc3339(sheet.nowMs), State: 'new', Message: 'created' },
    DesiredState: isDelayed ? 'ready' : 'running',
    ServiceName: service.name,
    SpecVersion: service.body.SpecVersion,
    Generation: 0,
  }
  return sheet.createTask(body)
}

/** A task outlives its service while it drains: what it needs of the labels goes with it. */
function meshLabels(service: ServiceView): Record<string, string> {
  const own = Object.entries(service.labels).filter(([label]) => label.startsWith('mesh.'))
  return Object.fromEntries(own)
}
