import type { TaskRecord, TaskStatus } from '../model/docker.ts'
import type { Observed } from '../model/observed.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import { compareTaskStates } from '../model/task-state.ts'
import type { TaskView } from '../model/task-view.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Takes over what nodes report about their tasks. Only forward, and only from the node that the task
 * was given to, about that assignment: a record may be old, or of a node that nobody asked.
 */
export function adoptObservedStatus(sheet: Worksheet, observed: Observed): void {
  for (const [id, { node, record }] of observed.tasks) {
    const task = sheet.task(id)
    if (task === undefined || task.hasEnded) continue
    if (task.node !== node || task.generation !== record.generation) continue
    if (compareTaskStates(record.state, task.state) <= 0) continue
    sheet.patchTask(task, { Status: statusFrom(record) })
  }
  for (const task of sheet.tasks()) {
    if (!task.hasEnded && isOrphaned(sheet, task)) orphan(sheet, task)
  }
}

function statusFrom(record: TaskRecord): TaskStatus {
  return {
    Timestamp: record.at,
    State: record.state,
    Message: record.message,
    ...(record.err !== '' && { Err: record.err }),
    ContainerStatus: {
      ContainerID: record.containerId,
      PID: record.pid,
      ...(record.exitCode !== null && { ExitCode: record.exitCode }),
    },
  }
}

/** Its node was removed from the cluster: nobody will ever say how it ended. */
const isOrphaned = (sheet: Worksheet, task: TaskView): boolean =>
  task.node !== null && sheet.node(task.node) === undefined

function orphan(sheet: Worksheet, task: TaskView): void {
  const Status: TaskStatus = {
    ...task.body.Status,
    Timestamp: rfc3339(sheet.nowMs),
    State: 'orphaned',
    Message: 'its node was removed',
  }
  sheet.patchTask(task, { Status })
}
