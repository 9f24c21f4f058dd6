import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { LeaderView, MeshNode } from '../../mesh/node/mesh-node.ts'
import type { ClusterView } from '../model/observed.ts'
import type { Explanation } from '../orchestrator/explain.ts'
import { Reign } from './reign.ts'

export interface LeaderDeps {
  readonly mesh: Pick<MeshNode, 'propose' | 'barrier' | 'watchLeader'>
  /** What this node knows now; the catalog in it follows every write that `barrier` waits for. */
  readonly view: () => ClusterView
  /** Calls the listener after the view changed; returns the function that ends it. */
  readonly watchView: (listener: () => void) => () => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Runs on every manager, and does something only while that one leads. */
export class Leader {
  readonly #deps: LeaderDeps
  readonly #endings: (() => void)[] = []
  #reign: Reign | null = null

  constructor(deps: LeaderDeps) {
    this.#deps = deps
  }

  start(): void {
    const { mesh, watchView } = this.#deps
    this.#endings.push(mesh.watchLeader((view) => this.#follow(view)))
    this.#endings.push(watchView(() => this.#reign?.look()))
  }

  /** Why tasks wait for a node, by task id and by service id; empty where this node does not lead. */
  explanations(): ReadonlyMap<string, Explanation> {
    return this.#reign?.explanations ?? new Map()
  }

  /** A proposal on its way may still take effect; nothing new is proposed. */
  stop(): void {
    for (const end of this.#endings.splice(0)) end()
    this.#end()
  }

  #follow(view: LeaderView): void {
    if (view.isSelf && this.#reign?.term === view.term) return
    this.#end()
    if (!view.isSelf) return
    this.#reign = new Reign(view, this.#deps)
    // Only a bug rejects it, and that may end the process.
    void this.#reign.run()
  }

  #end(): void {
    this.#reign?.end()
    this.#reign = null
  }
}
