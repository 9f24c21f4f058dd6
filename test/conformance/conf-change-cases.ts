import { ConfChanger, type MembershipChange } from '../../mesh/raft/conf-changer.ts'
import { describeConfiguration } from '../../mesh/raft/configuration.ts'
import { describePeer } from '../../mesh/raft/describe-raft.ts'
import { ProgressTracker } from '../../mesh/raft/tracker.ts'
import type { ConfChangeKind, ConfChangeSingle } from '../../mesh/raft/types.ts'
import type { Case } from './data-driven.ts'
import { renderPeer } from './etcd-text.ts'

const limits = { maxMessages: 10, maxBytes: Infinity }

/** `simple`, `enter-joint` and `leave-joint`, one after the other on the same membership. */
export class ConfChangeCases {
  readonly #tracker = new ProgressTracker(limits)
  /** Grows with every case, so that `next` shows in which one a peer joined. */
  #lastIndex = 0

  run(given: Case): string {
    const changer = new ConfChanger(this.#tracker, limits, this.#lastIndex++)
    const change = perform(changer, given)
    if (change.kind === 'refused') return `${change.because}\n`
    this.#tracker.adopt(change.membership)
    const { configuration, progress } = this.#tracker
    const peers = Array.from(
      progress,
      ([id, peer]) => `${id}: ${renderPeer(describePeer(id, peer))}\n`,
    )
    return `${describeConfiguration(configuration)}\n${peers.join('')}`
  }
}

function perform(changer: ConfChanger, { command, args, input }: Case): MembershipChange {
  const changes = parseConfChanges(input)
  switch (command) {
    case 'simple':
      return changer.simple(changes)
    case 'enter-joint': {
      const autoLeave = args.find(({ key }) => key === 'autoleave')?.values[0] === 'true'
      return changer.enterJoint(autoLeave, changes)
    }
    case 'leave-joint':
      return changes.length > 0
        ? { kind: 'refused', because: 'this command takes no input' }
        : changer.leaveJoint()
    default:
      throw new Error(`unknown command ${command}`)
  }
}

const kinds: Readonly<Record<string, ConfChangeKind>> = {
  v: 'add-node',
  l: 'add-learner',
  r: 'remove-node',
  u: 'update-node',
}

/** `v1 l2 r3 u4`: make voter, make learner, remove, update. */
export function parseConfChanges(text: string): ConfChangeSingle[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return words.map((word) => {
    const kind = kinds[word.charAt(0)]
    const node = Number(word.slice(1))
    if (kind === undefined || !Number.isInteger(node)) throw new Error(`unknown change ${word}`)
    return { kind, node }
  })
}
