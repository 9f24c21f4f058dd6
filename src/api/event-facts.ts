import type { ObjectKind, StoredObject } from '../../mesh/catalog/types.ts'
import type { Node, Service, Task } from '../model/docker.ts'
import { modeView } from '../model/service-view.ts'

type Attributes = Readonly<Record<string, string>>

/** What people want to know of an object's change. */
export interface Facts {
  /** Told with every event of it. */
  readonly always: Attributes
  /** Told as `….old` and `….new` where they differ. */
  readonly changing: Attributes
  /** Told with every event but its removal. */
  readonly reason: Attributes
}

/** Null: objects of this kind make no events. */
export function factsOf(object: StoredObject): Facts | null {
  return readers[object.kind]?.(object) ?? null
}

export const hasEvents = (kind: ObjectKind): boolean => Object.hasOwn(readers, kind)

const readers: Readonly<Record<ObjectKind, (object: StoredObject) => Facts>> = {
  service: ({ body }) => serviceFacts(body as unknown as Service),
  node: ({ body }) => nodeFacts(body as unknown as Node),
  task: ({ id, body }) => taskFacts(id, body as unknown as Task),
  network: named,
  secret: named,
  config: named,
}

function serviceFacts(service: Service): Facts {
  const { Spec, UpdateStatus } = service
  const mode = modeView(Spec.Mode)
  const replicas = mode.kind === 'replicated' ? { replicas: String(mode.replicas) } : {}
  return {
    always: { name: Spec.Name },
    changing: {
      image: Spec.TaskTemplate?.ContainerSpec.Image ?? '',
      ...replicas,
      updatestate: UpdateStatus?.State ?? '',
    },
    reason: {},
  }
}

function nodeFacts({ Spec, Description, Status }: Node): Facts {
  const { Availability: availability, Role: role } = Spec
  return {
    always: { name: Spec.Name || Description.Hostname },
    changing: { availability, role, state: Status.State },
    reason: {},
  }
}

/** Ours: Swarm tells nothing of tasks. */
function taskFacts(id: string, task: Task): Facts {
  const { Status, ServiceName, NodeID = '' } = task
  const { Err = '', Message = '', ContainerStatus } = Status
  const reason = Err === '' ? Message : Err
  const exitCode = ContainerStatus?.ExitCode
  const hasExit = exitCode !== undefined && ['complete', 'failed'].includes(Status.State)
  return {
    always: {
      name: `${ServiceName}.${task.Slot ?? NodeID}.${id}`,
      'service.id': task.ServiceID,
      'service.name': ServiceName,
    },
    changing: { state: Status.State, desiredstate: task.DesiredState, node: NodeID },
    reason: {
      ...(reason === '' ? {} : { reason }),
      ...(hasExit ? { exitCode: String(exitCode) } : {}),
    },
  }
}

function named({ body }: StoredObject): Facts {
  const { Spec } = body as { readonly Spec?: { readonly Name?: string } }
  return { always: { name: Spec?.Name ?? '' }, changing: {}, reason: {} }
}
