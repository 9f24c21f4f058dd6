import { caDigest, formatJoinToken } from '../../mesh/identity/join-token.ts'

export interface BannerFacts {
  readonly version: string
  readonly how: 'founded' | 'joined' | 'resumed'
  readonly nodeId: string
  readonly name: string
  readonly role: string
  readonly clusterId: string
  readonly socketPath: string
  readonly controlAddress: string
  readonly runtime: string
}

const verbs = { founded: 'founded', joined: 'joined', resumed: 'is back in' } as const

/** What a person wants to see when the daemon is up. */
export function banner(facts: BannerFacts): string {
  const { version, name, nodeId, role, how, clusterId } = facts
  return [
    `meshd ${version}: ${name} (${nodeId}) ${verbs[how]} cluster ${clusterId} as ${role}`,
    `  tasks run by  ${facts.runtime}`,
    `  other nodes   ${facts.controlAddress}`,
    `  API           unix://${facts.socketPath}   (meshctl -H unix://${facts.socketPath} node ls)`,
    '',
  ].join('\n')
}

export interface JoinLines {
  readonly caCertificatePem: string
  readonly managerSecret: string
  readonly workerSecret: string
  readonly controlAddress: string
}

/** How the next machines come in. For the operator's eyes: never into a log. */
export function joinLines(given: JoinLines): string {
  const digest = caDigest(given.caCertificatePem)
  const line = (secret: string): string =>
    `    meshd up --join ${formatJoinToken({ caDigest: digest, secret })}@${given.controlAddress}`
  return [
    'To add a worker, run on another machine:',
    line(given.workerSecret),
    'To add a manager:',
    line(given.managerSecret),
    '',
  ].join('\n')
}

/** For the operator's eyes: never into a log. */
export const unlockLines = (unlockKey: string): string =>
  [
    'A manager that restarts waits for meshctl swarm unlock and this key; keep it in a safe place:',
    `    ${unlockKey}`,
    '',
  ].join('\n')
