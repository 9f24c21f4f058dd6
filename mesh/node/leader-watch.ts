import type { LeaderView } from './mesh-node.ts'
import { Watchers } from './watchers.ts'

/** Who leads, as this node shows it, and who wants to know. */
export class LeaderWatch {
  readonly #watchers = new Watchers<LeaderView>()
  #view: LeaderView = { leader: null, isSelf: false, term: 0 }

  get view(): LeaderView {
    return this.#view
  }

  /** The listener hears the view of this moment first. */
  watch(listener: (view: LeaderView) => void): () => void {
    const hear = (views: readonly LeaderView[]): void => {
      for (const view of views) listener(view)
    }
    return this.#watchers.add(hear, () => [this.#view])
  }

  /** False when nothing changed by it. */
  show(view: LeaderView): boolean {
    const { leader, isSelf, term } = this.#view
    if (leader === view.leader && isSelf === view.isSelf && term === view.term) return false
    this.#view = view
    this.#watchers.tell([view])
    return true
  }
}
