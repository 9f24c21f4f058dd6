import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import { ports, type Contender } from './contender.ts'
import type { Stage } from './stage.ts'

const entryHost = '127.0.57.3'
const farHost = '127.0.57.4'

export interface PairFacts {
  readonly backend: string
  /** Keys and certificates of the same kind as ours. */
  readonly entry: NodeIdentity
  readonly far: NodeIdentity
}

/** Two that trust each other by certificates; the entry also serves its own node. */
export function startPair(stage: Stage, { backend, entry, far }: PairFacts): Contender {
  const entrySettings = `${defaults}
listen tcp
  mode tcp
  option splice-auto
  bind ${entryHost}:${ports.tcp}
  server backend ${backend}
listen http
  mode http
  option forwardfor
  bind ${entryHost}:${ports.http}
  server backend ${backend}
listen far-tcp
  mode tcp
  bind ${entryHost}:${ports['far-tcp']}
  server far ${farHost}:${ports['far-tcp']} ssl ${trust(stage, entry, 'entry')}
listen far-http
  mode http
  option forwardfor
  bind ${entryHost}:${ports['far-http']}
  server far ${farHost}:${ports['far-http']} ssl ${trust(stage, entry, 'entry')}
`
  const farSettings = `${defaults}
listen far-tcp
  mode tcp
  bind ${farHost}:${ports['far-tcp']} ssl ${trust(stage, far, 'far')}
  server backend ${backend}
listen far-http
  mode http
  bind ${farHost}:${ports['far-http']} ssl ${trust(stage, far, 'far')}
  server backend ${backend}
`
  const all = { entry: entrySettings, far: farSettings }
  const pids = Object.entries(all).map(([name, settings]) =>
    stage.start('haproxy', ['-db', '-q', '-f', stage.write(`haproxy-${name}.cfg`, settings)]),
  )
  const at = (path: keyof typeof ports): string => `${entryHost}:${ports[path]}`
  return {
    name: 'HAProxy',
    pids,
    addresses: {
      tcp: at('tcp'),
      http: at('http'),
      'far-tcp': at('far-tcp'),
      'far-http': at('far-http'),
    },
    settings: `${entrySettings}\n# the far node\n${farSettings}`,
  }
}

const defaults = `defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h`

function trust(stage: Stage, identity: NodeIdentity, name: string): string {
  const authority = identity.caCertificatesPem.join('')
  const chain = `${identity.certificatePem}${authority}${identity.tlsKeyPem}`
  const own = stage.write(`${name}.pem`, chain, 0o600)
  const roots = stage.write('authority.pem', authority)
  return `crt ${own} ca-file ${roots} verify required`
}
