import { MeshError } from '../../mesh/base/mesh-error.ts'

interface Explanation {
  readonly what: string
  readonly why: string
  readonly hint: string
}

type Facts = Readonly<Record<string, unknown>>

const explanations: Readonly<Record<string, (facts: Facts) => Explanation>> = {
  'config/invalid': (facts) => ({
    what: 'the settings make no sense',
    why: String(facts['reason']),
    hint: 'meshd up --help',
  }),
  'daemon/data-dir-in-use': (facts) => ({
    what: 'another meshd runs on this data directory',
    why: `a process holds ${String(facts['dataDir'])}`,
    hint: 'stop it, or give this one its own --data-dir',
  }),
  'daemon/data-dir-unusable': (facts) => ({
    what: `cannot use the data directory ${String(facts['dataDir'])}`,
    why: String(facts['reason']),
    hint: 'name one that this user may write with --data-dir (100 characters at most)',
  }),
  'daemon/engine-missing': (facts) => ({
    what: 'no container engine answers',
    why: `${String(facts['socket'])}: ${String(facts['reason'])}`,
    hint: 'start Docker or name its socket with --docker-socket; to try meshd without one: --runtime process',
  }),
  'transport/cannot-listen': (facts) => ({
    what: `cannot listen on ${String(facts['host'])}:${String(facts['port'])}/${String(facts['protocol'])}`,
    why: String(facts['reason']),
    hint: 'stop the program that holds it, or choose another port (--port, --gossip-port) or --listen-addr',
  }),
  'join/member-elsewhere': (facts) => ({
    what: 'this node is a member of another cluster than the token is for',
    why: `its data directory holds the identity of node ${String(facts['node'])}`,
    hint: 'start without --join to resume, or join with an empty --data-dir',
  }),
  'daemon/port-taken': (facts) => ({
    what: `cannot listen on ${String(facts['address'])} (${String(facts['purpose'])})`,
    why: String(facts['reason']),
    hint: 'stop the program that holds it, or choose another port (--port, --gossip-port, --data-path-port) or --listen-addr',
  }),
  'dev/not-started': (facts) => ({
    what: 'the cluster did not start',
    why: `${String(facts['reason'])}\n${String(facts['lastWords'])}`,
    hint: 'is another meshd running on 127.0.0.1 (ports 2377, 7946, 4789, 8080)? --verbose shows the logs',
  }),
  'join/token-malformed': (facts) => ({
    what: 'the join token is not one',
    why: String(facts['reason']),
    hint: 'meshctl swarm join-token worker   (on a manager) prints it',
  }),
  'join/other-cluster': () => ({
    what: 'the machine that answered belongs to another cluster than the token',
    why: "the digest in the token is not that of the cluster's CA certificate",
    hint: 'compare the address and the token with what `meshctl swarm join-token` prints there',
  }),
  'join/refused': (facts) => ({
    what: 'the manager refused the join',
    why: String(facts['reason']),
    hint: 'meshctl swarm join-token worker|manager   (on a manager) prints a valid one',
  }),
  'join/unreachable': (facts) => ({
    what: 'no manager answered',
    why: String(facts['reason']),
    hint: 'is meshd running there, and is its port (2377/tcp) open from here?',
  }),
  'storage/corrupt': (facts) => ({
    what: "this node's log on disk is damaged",
    why: `${String(facts['file'])}: ${String(facts['reason'] ?? 'checksum')}`,
    hint: 'the cluster has the data: remove this node there (meshctl node rm), empty the data directory, join again',
  }),
}

/** What went wrong, why, and what to try: three lines for the operator. */
export function explainFault(error: unknown): string {
  const known = error instanceof MeshError ? explanations[error.fault.code] : undefined
  if (!(error instanceof MeshError) || known === undefined) {
    return `error: ${error instanceof Error ? error.message : String(error)}`
  }
  const { what, why, hint } = known(error.fault)
  return `error: ${what}\n  why: ${why}\n  try: ${hint}`
}
