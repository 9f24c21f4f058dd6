import { MeshError } from '../../mesh/base/mesh-error.ts'

interface Explanation {
  readonly what: string
  readonly why: string
  readonly hint: string
}

/** A fact of the fault, as text. */
type Fact = (name: string) => string

const explanations: Readonly<Record<string, (fact: Fact) => Explanation>> = {
  'config/invalid': (fact) => ({
    what: 'the settings make no sense',
    why: fact('reason'),
    hint: 'meshd up --help',
  }),
  'daemon/data-dir-in-use': (fact) => ({
    what: 'another meshd runs on this data directory',
    why: `a process holds ${fact('dataDir')}`,
    hint: 'stop it, or give this one its own --data-dir',
  }),
  'daemon/data-dir-unusable': (fact) => ({
    what: `cannot use the data directory ${fact('dataDir')}`,
    why: fact('reason'),
    hint: 'name one that this user may write with --data-dir (100 characters at most)',
  }),
  'daemon/engine-missing': (fact) => ({
    what: 'no container engine answers',
    why: `${fact('socket')}: ${fact('reason')}`,
    hint: 'start Docker or name its socket with --docker-socket; to try meshd without one: --runtime process',
  }),
  'transport/cannot-listen': (fact) => ({
    what: `cannot listen on ${fact('host')}:${fact('port')}/${fact('protocol')}`,
    why: fact('reason'),
    hint: 'stop the program that holds it, or choose another port (--port, --gossip-port) or --listen-addr',
  }),
  'join/member-elsewhere': (fact) => ({
    what: 'this node is a member of another cluster than the token is for',
    why: `its data directory holds the identity of node ${fact('node')}`,
    hint: 'start without --join to resume, or join with an empty --data-dir',
  }),
  'daemon/removed': (fact) => ({
    what: 'this node was removed from its cluster',
    why: `a manager says that it knows no node ${fact('node')}; the tasks of the cluster were stopped here`,
    hint: 'empty the data directory and start with --join to become a member again',
  }),
  'membership/identity-in-use': (fact) => ({
    what: `node ${fact('node')} already runs, on another machine`,
    why: `a process at ${fact('at')} has the same identity: this data directory is a copy of its`,
    hint: 'stop the other one, or empty this data directory and start with --join',
  }),
  'daemon/port-taken': (fact) => ({
    what: `cannot listen on ${fact('address')} (${fact('purpose')})`,
    why: fact('reason'),
    hint: 'stop the program that holds it, or choose another port (--port, --gossip-port, --data-path-port) or --listen-addr',
  }),
  'dev/not-started': (fact) => ({
    what: 'the cluster did not start',
    why: `${fact('reason')}\n${fact('lastWords')}`,
    hint: 'is another meshd running on 127.0.0.1 (ports 2377, 7946, 4789, 8080)? --verbose shows the logs',
  }),
  'join/token-malformed': (fact) => ({
    what: 'the join token is not one',
    why: fact('reason'),
    hint: 'meshctl swarm join-token worker   (on a manager) prints it',
  }),
  'join/other-cluster': () => ({
    what: 'the machine that answered belongs to another cluster than the token',
    why: "the digest in the token is not that of the cluster's CA certificate",
    hint: 'compare the address and the token with what `meshctl swarm join-token` prints there',
  }),
  'join/refused': (fact) => ({
    what: 'the manager refused the join',
    why: fact('reason'),
    hint: 'meshctl swarm join-token worker|manager   (on a manager) prints a valid one',
  }),
  'join/unreachable': (fact) => ({
    what: 'no manager answered',
    why: fact('reason'),
    hint: `is meshd running there, and is ${fact('port')} its port for joins (--port, 2377 if not told), open from here?`,
  }),
  'join/server-not-trusted': (fact) => ({
    what: 'the machine that answered cannot prove that it is a manager',
    why: fact('reason'),
    hint: 'is that the right address, and is nothing between the machines that breaks up TLS?',
  }),
  'join/bad-reply': (fact) => ({
    what: 'the manager answered something that makes no sense',
    why: fact('reason'),
    hint: 'do both machines run the same version of meshd?',
  }),
  'ingress/not-started': (fact) => ({
    what: 'the data plane of this node did not start',
    why: `its process ended with ${fact('exit')}`,
    hint: 'its own lines in the log above say why',
  }),
  'config/no-such-engine': (fact) => ({
    what: `the ingress engine ${fact('engine')} is not there yet`,
    why: 'this version talks to the kernel through node:net alone',
    hint: 'leave --ingress-engine away, or say net',
  }),
  'recovery/no-state': () => ({
    what: 'there is no cluster here to go on with',
    why: 'the data directory holds no state of a manager',
    hint: 'use --force-new-cluster on a manager that survived; meshctl cluster snapshot restore on an empty cluster',
  }),
  'recovery/not-a-manager': () => ({
    what: 'this node is a worker, and knows too little to go on alone',
    why: 'only managers hold the state of the cluster',
    hint: 'use --force-new-cluster on a manager that survived',
  }),
  'recovery/too-often': () => ({
    what: 'this node cannot begin another life as a manager',
    why: 'the numbers by which Raft may know it are used up',
    hint: 'recover on another manager, or restore a snapshot on an empty cluster',
  }),
  'storage/sync-failed': (fact) => ({
    what: 'the disk failed to keep what it was given',
    why: fact('reason'),
    hint: 'check the disk; started again, the node reads what is really on it',
  }),
  'storage/io': (fact) => ({
    what: `cannot ${fact('operation')} ${fact('path')} in the data directory`,
    why: fact('reason'),
    hint: 'is there room on its disk (ENOSPC), and may this user write there (EACCES)?',
  }),
  'storage/corrupt': (fact) => ({
    what: "this node's log on disk is damaged",
    why: `${fact('path')}: ${fact('what')}`,
    hint: fact('remedy'),
  }),
  'storage/key-missing': (fact) => ({
    what: 'the key to the data of this node is missing',
    why: `there is no ${fact('path')} in the data directory`,
    hint: fact('remedy'),
  }),
}

/** What went wrong, why, and what to try: three lines for the operator. */
export function explainFault(error: unknown): string {
  const known = error instanceof MeshError ? explanations[error.fault.code] : undefined
  if (!(error instanceof MeshError) || known === undefined) {
    return `error: ${error instanceof Error ? error.message : String(error)}`
  }
  const { fault } = error
  const { what, why, hint } = known((name) => asText(fault[name]))
  return `error: ${what}\n  why: ${why}\n  try: ${hint}`
}

const asText = (fact: unknown): string =>
  typeof fact === 'string' ? fact : fact === undefined ? 'unknown' : JSON.stringify(fact)
