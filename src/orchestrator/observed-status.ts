import type { HostPort, PortConfig, TaskRecord, TaskStatus } from '../model/docker.ts'
import type { Observed } from '../model/observed.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import { compareTaskStates, hasEnded } from '../model/task-state.ts'
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
    sheet.patchTask(task, {
      Status: statusFrom(record, task),
      ...(record.state === 'running' && { RunningAt: record.at }),
    })
  }
  for (const task of sheet.tasks()) {
    if (!task.hasEnded && isOrphaned(sheet, task)) orphan(sheet, task)
  }
}

function statusFrom(record: TaskRecord, task: TaskView): TaskStatus {
  const isRejected = task.stopCause === 'not-eligible' && hasEnded(record.state)
  return {
    Timestamp: record.at,
    ...(isRejected ? rejection : saidIn(record)),
    ContainerStatus: {
      ContainerID: record.containerId,
      PID: record.pid,
      ...(record.exitCode !== null && { ExitCode: record.exitCode }),
    },
    ...(record.hostPorts !== undefined && {
      PortStatus: { Ports: record.hostPorts.map(inDocker) },
    }),
  }
}

const saidIn = ({ state, message, err }: TaskRecord): Omit<TaskStatus, 'Timestamp'> => ({
  State: state,
  Message: message,
  ...(err !== '' && { Err: err }),
})

/** In Swarm's words, although it only counts as over once its container is. */
const rejection: Omit<TaskStatus, 'Timestamp'> = {
  State: 'rejected',
  Message: 'task rejected by constraint enforcer',
  Err: 'assigned node no longer meets constraints',
}

const inDocker = ({ protocol, targetPort, publishedPort }: HostPort): PortConfig => ({
  Protocol: protocol,
  TargetPort: targetPort,
  PublishedPort: publishedPort,
  PublishMode: 'host',
})

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
