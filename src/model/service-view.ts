import { assert } from '../../mesh/base/assert.ts'
import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import { nameClaim } from './claims.ts'
import type { PortConfig, Service, ServiceMode, UpdateStatus } from './docker.ts'
import { type MeshLabels, parseMeshLabels } from './ingress-labels.ts'
import { remembered } from './remembered.ts'
import { type RolloutView, rolloutView } from './rollout-view.ts'
import { type TaskSpecView, taskSpecView } from './task-spec-view.ts'

export interface ServiceView {
  readonly id: string
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly mode: ModeView
  readonly template: TaskSpecView
  readonly specVersion: number
  /** How tasks are replaced now: by `UpdateConfig`, or by `RollbackConfig` during a rollback. */
  readonly rollout: RolloutView
  readonly updateStatus: UpdateStatus | null
  /** As they are: published ports filled in. */
  readonly ports: readonly PortView[]
  readonly mesh: MeshLabels
  readonly body: Service
}

export type ModeView =
  | { readonly kind: 'replicated'; readonly replicas: number }
  | { readonly kind: 'global' }

export interface PortView {
  readonly name: string
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly targetPort: number
  /** 0 until one was chosen. */
  readonly publishedPort: number
  readonly publishMode: 'ingress' | 'host'
}

export const serviceView: (object: StoredObject) => ServiceView = remembered(readService)

function readService(object: StoredObject): ServiceView {
  assert(object.kind === 'service', 'a service view needs a service')
  const body = object.body as unknown as Service
  const labels = body.Spec.Labels ?? {}
  return {
    id: object.id,
    version: object.version,
    createdAtMs: object.createdAtMs,
    updatedAtMs: object.updatedAtMs,
    name: body.Spec.Name,
    labels,
    mode: modeView(body.Spec.Mode),
    template: taskSpecView(body.Spec.TaskTemplate, body.Endpoint.Ports),
    specVersion: body.SpecVersion.Index,
    rollout: rolloutView(isRollback(body) ? body.Spec.RollbackConfig : body.Spec.UpdateConfig),
    updateStatus: body.UpdateStatus ?? null,
    ports: (body.Endpoint.Ports ?? []).map(portView),
    mesh: parseMeshLabels(labels),
    body,
  }
}

const isRollback = ({ UpdateStatus: status }: Service): boolean =>
  status?.State.startsWith('rollback_') === true

export const servicesOf = (catalog: CatalogReader): ServiceView[] =>
  catalog.list('service').map(serviceView)

export function serviceById(catalog: CatalogReader, id: string): ServiceView | undefined {
  const object = catalog.get('service', id)
  return object && serviceView(object)
}

export function serviceByName(catalog: CatalogReader, name: string): ServiceView | undefined {
  const holder = catalog.holder(nameClaim('service', name))
  return holder && serviceById(catalog, holder.id)
}

/** Swarm's defaults: replicated, one replica. */
export function modeView(mode: ServiceMode | undefined): ModeView {
  if (mode?.Global !== undefined) return { kind: 'global' }
  return { kind: 'replicated', replicas: mode?.Replicated?.Replicas ?? 1 }
}

function portView(port: PortConfig): PortView {
  return {
    name: port.Name ?? '',
    protocol: port.Protocol || 'tcp',
    targetPort: port.TargetPort,
    publishedPort: port.PublishedPort ?? 0,
    publishMode: port.PublishMode || 'ingress',
  }
}

/** Ports that the ingress of every node listens on for it. */
export const ingressPortsOf = ({ ports }: ServiceView): PortView[] =>
  ports.filter(({ publishMode, protocol }) => publishMode === 'ingress' && protocol !== 'sctp')
