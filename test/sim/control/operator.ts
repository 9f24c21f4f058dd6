import { unreachable } from '../../../mesh/base/assert.ts'
import { drawId } from '../../../mesh/base/ids.ts'
import type { Change, StoredObject } from '../../../mesh/catalog/types.ts'
import type { Service, ServiceSpec } from '../../../src/model/docker.ts'
import { creationOf, nodeChange, respec, specs } from './services.ts'
import type { ControlWorld } from './world.ts'

const images = ['good-1', 'good-2', 'good-3', 'slow-1', 'crash-1', 'missing-1']
const orders = [
  'image',
  'image',
  'image',
  'scale',
  'drain',
  'label',
  'constraint',
  'remove',
  'force',
] as const
const zones = ['a', 'b', 'c']

/** Changes what is wanted, every few seconds, on any manager that takes it. */
export class Operator {
  readonly #world: ControlWorld
  #isStopped = false
  #requests = 0

  constructor(world: ControlWorld) {
    this.#world = world
  }

  start(): void {
    for (const spec of specs) this.#create(spec)
    this.#later()
  }

  /** Says a last time what it wants, and that all nodes may be used. */
  stop(): void {
    this.#isStopped = true
    for (const node of this.#objects('node')) {
      this.#write(nodeChange(node, { Availability: 'active', Labels: { zone: 'a' } }))
    }
    for (const spec of specs) {
      const last = withImage(spec, spec.Name === 'batch' ? 'once-9' : 'good-9')
      const object = this.#service(spec.Name)
      if (object === undefined) this.#create(last)
      else this.#update(object, last)
    }
  }

  #later(): void {
    const { clock, random } = this.#world
    clock.after(1000 + random.below(6000), () => {
      if (this.#isStopped) return
      this.#act()
      this.#later()
    })
  }

  #act(): void {
    const { tally } = this.#world
    const node = this.#world.pick(this.#objects('node'))
    const spec = this.#world.pick(specs)
    const object = this.#service(spec.Name)
    if (object === undefined) return this.#create(spec)
    const kind = this.#world.pick(orders)
    tally.count(`operator: ${kind}`)
    switch (kind) {
      case 'image':
        return this.#update(object, withImage(specOf(object), this.#world.pick(images)))
      case 'scale':
        return this.#scale(object)
      case 'drain': {
        const Availability = this.#world.pick(['active', 'active', 'drain', 'pause'] as const)
        return this.#write(nodeChange(node, { Availability }))
      }
      case 'label':
        return this.#write(nodeChange(node, { Labels: { zone: this.#world.pick(zones) } }))
      case 'constraint':
        return this.#constrain(object)
      case 'remove':
        return this.#write({ kind: 'delete', ref: object, ifVersion: object.version })
      case 'force':
        return this.#force(object)
      default:
        return unreachable(kind)
    }
  }

  #scale(object: StoredObject): void {
    const spec = specOf(object)
    if (spec.Mode?.Replicated === undefined) return
    const Replicas = this.#world.random.below(7)
    this.#update(object, { ...spec, Mode: { Replicated: { Replicas } } })
  }

  #force(object: StoredObject): void {
    const { TaskTemplate, ...rest } = specOf(object)
    const ForceUpdate = (TaskTemplate.ForceUpdate ?? 0) + 1
    this.#update(object, { ...rest, TaskTemplate: { ...TaskTemplate, ForceUpdate } })
  }

  #constrain(object: StoredObject): void {
    const spec = specOf(object)
    const Constraints = [`node.labels.zone!=${this.#world.pick(zones)}`]
    const Placement = { ...spec.TaskTemplate.Placement, Constraints }
    this.#update(object, { ...spec, TaskTemplate: { ...spec.TaskTemplate, Placement } })
  }

  #create(spec: ServiceSpec): void {
    const { random, agreement } = this.#world
    this.#write(creationOf(drawId(random), spec, agreement.index + 1))
  }

  #update(object: StoredObject, spec: ServiceSpec): void {
    this.#write(respec(this.#world.agreement.catalog, object, spec))
  }

  /** Straight into the table: how a client finds its manager is another simulation's affair. */
  #write(change: Change): void {
    const { agreement, clock } = this.#world
    const request = `operator ${this.#requests++}`
    agreement.append({ request, atMs: clock.nowMs(), changes: [change] })
  }

  #objects(kind: string): readonly StoredObject[] {
    return this.#world.agreement.catalog.list(kind)
  }

  #service(name: string): StoredObject | undefined {
    return this.#objects('service').find((object) => specOf(object).Name === name)
  }
}

const specOf = ({ body }: StoredObject): ServiceSpec => (body as unknown as Service).Spec

function withImage(spec: ServiceSpec, Image: string): ServiceSpec {
  const { TaskTemplate } = spec
  const ContainerSpec = { ...TaskTemplate.ContainerSpec, Image }
  return { ...spec, TaskTemplate: { ...TaskTemplate, ContainerSpec } }
}
