import type { StopCause } from '../model/docker.ts'
import type { TaskView } from '../model/task-view.ts'
import type { Worksheet } from './worksheet.ts'

/** It gives its place to another task. One that no node ever saw just goes. */
export function stopTask(sheet: Worksheet, task: TaskView, cause: StopCause): void {
  if (task.node === null) sheet.deleteTask(task)
  else sheet.patchTask(task, { DesiredState: 'shutdown', StopCause: cause })
}

/** Its place goes with it: scaled down, or its service is gone. */
export function removeTask(sheet: Worksheet, task: TaskView): void {
  if (task.node === null) sheet.deleteTask(task)
  else if (task.desired !== 'remove') sheet.patchTask(task, { DesiredState: 'remove' })
}
