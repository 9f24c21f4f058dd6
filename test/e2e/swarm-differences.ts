/** A difference that is meant: what Swarm shows, what we show, and why ours is better. */
export interface Difference {
  readonly story: string
  /** Which look, and what of it. */
  readonly field: string
  readonly swarm: string
  readonly mesh: string
  /** What of `reference/swarm-semantics.md` makes ours better. */
  readonly because: string
}

/** One a line: story | field | Swarm | ours | because. */
const table = `
another restart policy | updated: over | 1 shutdown/shutdown (shutdown), 2 shutdown/shutdown (shutdown) | | §2d Not an update: what needs no restart restarts nothing
another restart policy | updated: update | completed | none | §2d Not an update
another restart policy | updated: updateMessage | update completed | | §2d Not an update

failing update rolls back | failed: updateMessage | rollback completed | rollback completed: update rolled back due to failure or early termination of task X | §6 Introspection: why it was rolled back can still be read
failing update start-first rolls back | failed: updateMessage | rollback completed | rollback completed: update rolled back due to failure or early termination of task X | §6 Introspection
failing update of a global service rolls back | failed: updateMessage | rollback completed | rollback completed: update rolled back due to failure or early termination of task X | §6 Introspection
rolled back by hand to what fails | rolled back: updateMessage | update paused due to failure or early termination of task X | rollback paused due to failure or early termination of task X | §2d States: ROLLBACK_PAUSED is no paused update

start-first where every node is full | updated: live | pending (max replicas), running x3 | running x3 | §2d start-first: no deadlock with max-replicas-per-node
start-first where every node is full | updated: over | | shutdown/shutdown (shutdown) x3 | §2d start-first
start-first where every node is full | updated: versions | V=1 x3, V=2 | V=2 x3 | §2d start-first
start-first where every node is full | updated: update | updating | completed | §2d start-first
start-first where every node is full | updated: updateMessage | update in progress | update completed | §2d start-first

an update that fits no node, with a deadline | stuck: update | updating | paused | §2d Hang: a progress deadline
an update that fits no node, with a deadline | stuck: updateMessage | update in progress | update paused because task X did not run in time: no suitable node (constraint node.labels.x==y not satisfied on 3 nodes) | §2d Hang

a node is drained and taken back: never restarted | drained: placed | 1 1 | 2 1 | §6 Jobs on lost/drained node: placed again like services; it did not end by itself
a node is drained and taken back: never restarted | drained: live | running x2 | running x3 | §6 Jobs on lost/drained node
a node is drained and taken back: never restarted | drained: versions | V=1 x2 | V=1 x3 | §6 Jobs on lost/drained node
a node is drained and taken back: never restarted | active: placed | 1 1 | 2 1 | §6 Jobs on lost/drained node
a node is drained and taken back: never restarted | active: live | running x2 | running x3 | §6 Jobs on lost/drained node
a node is drained and taken back: never restarted | active: versions | V=1 x2 | V=1 x3 | §6 Jobs on lost/drained node

a label comes and goes: never restarted | on n3 only: placed | | n3=1 | §3 no. 31: placed again whenever a node fits
a label comes and goes: never restarted | on n3 only: live | | 1 running | §3 no. 31
a label comes and goes: never restarted | on n3 only: versions | | V=1 | §3 no. 31
a label comes and goes: never restarted | on none: live | | 1 pending (constraint: 3) | §3 no. 31
a label comes and goes: never restarted | on none: over | 1 rejected/shutdown (assigned node no longer meets constraints) | 1 rejected/shutdown (assigned node no longer meets constraints) x2 | §3 no. 31
a label comes and goes: never restarted | on none: versions | | V=1 | §3 no. 31

a node is lost and comes back: never restarted | lost: placed | 1 1 | 2 1 | §6 Jobs on lost/drained node: placed again like services; it did not end by itself
a node is lost and comes back: never restarted | lost: live | running x2 | running x3 | §6 Jobs on lost/drained node
a node is lost and comes back: never restarted | lost: versions | V=1 x2 | V=1 x3 | §6 Jobs on lost/drained node
a node is lost and comes back: never restarted | back: placed | 1 1 | 2 1 | §6 Jobs on lost/drained node
a node is lost and comes back: never restarted | back: live | running x2 | running x3 | §6 Jobs on lost/drained node
a node is lost and comes back: never restarted | back: versions | V=1 x2 | V=1 x3 | §6 Jobs on lost/drained node
a node is lost and comes back: never restarted | back: over | failed/shutdown (exit 255) | shutdown/shutdown (shutdown) | §2e Rank 1: what a lost node ended is no failure of its service
a node is lost and comes back: six replicas | back: over | failed/shutdown (exit 255) x2 | shutdown/shutdown (shutdown) x2 | §2e Rank 1
a node is lost and comes back: one that has to be there | back: over | 1 failed/shutdown (exit 255) | 1 shutdown/shutdown (shutdown) | §2e Rank 1
a node is lost and comes back: a global one | back: over | n3 failed/shutdown (exit 255) | n3 shutdown/shutdown (shutdown) | §2e Rank 1
a node is lost and comes back: one a node | back: over | failed/shutdown (exit 255) | shutdown/shutdown (shutdown) | §2e Rank 1
`

export const allowed: readonly Difference[] = table
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [story = '', field = '', swarm = '', mesh = '', because = ''] = line
      .split('|')
      .map((part) => part.trim())
    return { story, field, swarm, mesh, because }
  })
