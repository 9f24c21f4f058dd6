import type { PlantedBug } from './planted-bug.ts'

export const bugsInTheLog: readonly PlantedBug[] = [
  {
    name: 'an entry of an old term commits by being counted',
    file: 'mesh/raft/raft.ts',
    find: 'return this.log.maybeCommit({ term: this.term, index: this.tracker.committed() })',
    replace:
      'const index = this.tracker.committed()\n    return this.log.maybeCommit({ term: Number(this.log.term(index)), index })',
  },
  {
    name: 'an append that is repeated cuts what came behind it',
    file: 'mesh/raft/raft-log.ts',
    find: 'if (fresh >= 0) this.append(entries.slice(fresh))',
    replace: 'if (entries.length > 0) this.append(entries.slice(Math.max(0, fresh)))',
  },
  {
    name: 'a heartbeat commits what the follower may not hold',
    file: 'mesh/raft/replication.ts',
    find: 'const commit = Math.min(peer.match, raft.log.committed)',
    replace: 'const commit = raft.log.committed',
  },
  {
    name: 'entries are applied before they are durable',
    file: 'mesh/node/consensus.ts',
    find: '    await this.#persist(ready)\n',
    replace:
      '    for (const entry of ready.committed) this.#apply(entry)\n    await this.#persist(ready)\n    ;(ready as { committed: readonly Entry[] }).committed = []\n',
  },
  {
    name: 'promises leave before the fsync',
    file: 'mesh/node/consensus.ts',
    find: 'this.#sendAll(ready.messages.filter(({ kind }) => !isPromise(kind)))',
    replace: 'this.#sendAll(ready.messages)',
  },
  {
    name: 'what was cut off is there again after a restart',
    file: 'mesh/storage/wal-recovery.ts',
    find: 'this.#entries.length = Math.max(0, entry.index - first.index)\n    this.#entries.push(entry)',
    replace:
      'this.#entries.length *= Number(entry.index >= first.index)\n    this.#entries[first === undefined ? 0 : Math.max(0, entry.index - first.index)] = entry',
  },
]
