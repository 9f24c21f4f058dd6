import type { ApiInfo } from '../client/types.ts'
import { usage } from './command-error.ts'
import { humanBytes } from './human.ts'
import { printObjects } from './listing.ts'
import { retryOutOfSequence, type Session } from './session.ts'

export async function joinToken(
  session: Session,
  role: string,
  flags: { readonly quiet?: boolean; readonly rotate?: boolean },
): Promise<void> {
  if (role !== 'manager' && role !== 'worker') {
    throw usage(`invalid role ${JSON.stringify(role)}`, 'use manager or worker')
  }
  const { client, io } = session
  if (flags.rotate === true) {
    await retryOutOfSequence(async () => client.rotateJoinToken(await client.swarm(), role))
  }
  const { JoinTokens } = await client.swarm()
  const token = role === 'manager' ? JoinTokens.Manager : JoinTokens.Worker
  if (flags.quiet === true) return io.out(`${token}\n`)
  if (flags.rotate === true) io.out(`Successfully rotated ${role} join token.\n\n`)
  io.out(`To add a ${role} to this swarm, run the following command:\n\n`)
  io.out(`    meshd up --join ${token}@${addressOf(await client.info())}\n\n`)
}

/** Where the newcomer finds the node that was asked. */
function addressOf({ Swarm }: ApiInfo): string {
  const own = Swarm.RemoteManagers.find(({ NodeID }) => NodeID === Swarm.NodeID)
  return own?.Addr ?? `${Swarm.NodeAddr}:2377`
}

export async function rotateGossipKey({ client, io }: Session): Promise<void> {
  await client.rotateGossipKey()
  io.out('The gossip key is being replaced; all nodes have the new one in about half a minute.\n')
}

export async function leaveSwarm(
  { client, io }: Session,
  flags: { readonly force?: boolean },
): Promise<void> {
  await client.leaveSwarm(flags.force === true)
  io.out('Node left the swarm.\n')
}

export async function showInfo(
  session: Session,
  flags: { readonly format?: string },
): Promise<void> {
  const info = await session.client.info()
  if (flags.format !== undefined) return printObjects(session.io, [info], { format: flags.format })
  session.io.out(prettyInfo(info))
}

function prettyInfo(info: ApiInfo): string {
  const { Swarm: swarm, Mesh: mesh } = info
  const lines = [
    `Name: ${info.Name}`,
    `Node ID: ${swarm.NodeID}`,
    `Server Version: ${info.ServerVersion}`,
    `Runtime: ${mesh?.Runtime ?? ''}`,
    `Tasks: ${info.Containers} (${info.ContainersRunning} running)`,
    `Operating System: ${info.OperatingSystem}`,
    `Architecture: ${info.Architecture}`,
    `CPUs: ${info.NCPU}`,
    `Total Memory: ${humanBytes(info.MemTotal)}`,
    `Swarm: ${swarm.LocalNodeState}`,
    ` Is Manager: ${swarm.ControlAvailable}`,
    ...(swarm.Cluster === undefined ? [] : [` ClusterID: ${swarm.Cluster.ID}`]),
    ` Managers: ${swarm.Managers}`,
    ` Nodes: ${swarm.Nodes}`,
    ` Leader: ${mesh?.Leader ?? 'none known'}`,
    ` Node Address: ${swarm.NodeAddr}`,
    ' Manager Addresses:',
    ...swarm.RemoteManagers.map(({ Addr }) => `  ${Addr}`),
  ]
  return `${lines.join('\n')}\n`
}
