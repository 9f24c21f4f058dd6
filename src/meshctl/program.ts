import { Command, CommanderError, type Option } from 'commander'
import { restoreHelp, restoreSnapshot, saveSnapshot } from './cluster-commands.ts'
import { asCommandError, describe, exitCodes } from './command-error.ts'
import { showAuthority } from './ca-command.ts'
import { showEvents, type EventFlags } from './events-command.ts'
import { imageOptions } from './image-pin.ts'
import { listIngress } from './ingress-command.ts'
import type { Io } from './io.ts'
import { unlock, unlockKey, updateSwarm } from './lock-commands.ts'
import { showLogs, type LogFlags } from './logs-command.ts'
import {
  changeRole,
  inspectNodes,
  listNodes,
  listNodeTasks,
  removeNodes,
  updateNode,
} from './node-commands.ts'
import {
  createService,
  inspectServices,
  listServices,
  listServiceTasks,
  removeServices,
  scaleServices,
  waitFlagOptions,
} from './service-commands.ts'
import { withSpecFlags } from './service-spec.ts'
import { rollBackService, updateOptions, updateService } from './service-update.ts'
import { defaultHost, openClient, type Session } from './session.ts'
import { joinToken, leaveSwarm, rotateGossipKey, showInfo } from './swarm-commands.ts'

/** Runs one command line; answers with the exit code of the process. */
export async function runMeshctl(args: readonly string[], io: Io): Promise<number> {
  const program = createProgram(io)
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // Commander has said what it had to say: help, version, or what is wrong with the line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    const failure = asCommandError(error)
    io.err(describe(failure))
    return failure.exitCode
  }
}

type Act<Rest extends unknown[]> = (session: Session, ...rest: Rest) => Promise<void>

function createProgram(io: Io): Command {
  const program = new Command('meshctl')
    .description('Manage a mesh of machines and the services on it.')
    .option('-H, --host <host>', `daemon to ask (env MESH_HOST, default ${defaultHost})`)
    .enablePositionalOptions()
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .exitOverride()
    .showHelpAfterError('(add --help for more)')
  /** Opens the daemon named by -H for one action and closes it after. */
  const withSession =
    <Rest extends unknown[]>(act: Act<Rest>) =>
    async (...rest: Rest): Promise<void> => {
      const { host } = program.opts<{ host?: string }>()
      using client = openClient(host ?? (io.env['MESH_HOST'] || defaultHost))
      await act({ io, client }, ...rest)
    }
  addNodeCommands(program.command('node').description('Manage nodes'), withSession)
  addServiceCommands(program.command('service').description('Manage services'), withSession)
  addSwarmCommands(program.command('swarm').description('Manage membership'), withSession)
  addClusterCommands(program.command('cluster').description('Back the cluster up'), withSession)
  program
    .command('ingress')
    .description('Look at the published ports')
    .command('ls')
    .description('List them on every node: what listens, and what keeps it from it')
    .option('-q, --quiet', 'only show IDs: node, port and protocol')
    .option('--format <format>', 'table, json, a Go template, or `table` and a template')
    .action(withSession(listIngress))
  program
    .command('events')
    .description('Show what happens in the cluster')
    .option('--since <time>', 'what happened since: a date, or a duration such as 10m')
    .option('--until <time>', 'end then')
    .option(
      '-f, --filter <key=value>',
      'only what matches: type, event, service, node, task',
      collect,
    )
    .option('--format <format>', 'json, or a Go template')
    .action(withSession((session, flags: EventFlags) => showEvents(session, flags)))
  program
    .command('info')
    .description('Show what the daemon knows of itself and its cluster')
    .option('-f, --format <format>', 'json, or a Go template')
    .action(withSession((session, flags: { format?: string }) => showInfo(session, flags)))
  return program
}

type WithSession = <Rest extends unknown[]>(act: Act<Rest>) => (...rest: Rest) => Promise<void>

const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

const withListFlags = (command: Command): Command =>
  command
    .option('-q, --quiet', 'only show IDs')
    .option('-f, --filter <key=value>', 'only show what matches', collect)
    .option('--format <format>', 'table, json, a Go template, or `table` and a template')

const withPsFlags = (command: Command): Command =>
  withListFlags(command)
    .option('--no-trunc', 'do not cut IDs and errors')
    .option('--no-resolve', 'show IDs instead of names')

const withInspectFlags = (command: Command): Command =>
  command
    .option('-f, --format <format>', 'json, or a Go template')
    .option('--pretty', 'print for people')

const withOptions = (command: Command, options: readonly Option[]): Command => {
  for (const option of options) command.addOption(option)
  return command
}

const withWaitFlags = (command: Command): Command => withOptions(command, waitFlagOptions)

const roleCommands = [
  ['promote', 'manager'],
  ['demote', 'worker'],
] as const

function addNodeCommands(node: Command, withSession: WithSession): void {
  withListFlags(node.command('ls').description('List nodes')).action(withSession(listNodes))
  withInspectFlags(node.command('inspect <node...>').description('Show nodes')).action(
    withSession(inspectNodes),
  )
  withPsFlags(node.command('ps [node...]').description('List tasks of nodes')).action(
    withSession(listNodeTasks),
  )
  node
    .command('update <node>')
    .description('Change a node')
    .option('--availability <availability>', 'active, pause or drain')
    .option('--label-add <key=value>', 'add or change a label', collect)
    .option('--label-rm <key>', 'remove a label', collect)
    .option('--role <role>', 'manager or worker')
    .action(withSession(updateNode))
  for (const [name, role] of roleCommands) {
    node
      .command(`${name} <node...>`)
      .description(role === 'manager' ? 'Make workers managers' : 'Make managers workers')
      .action(withSession((session: Session, names: string[]) => changeRole(session, names, role)))
  }
  node
    .command('rm <node...>')
    .description('Remove nodes from the cluster')
    .option('-f, --force', 'also one that is up')
    .action(withSession(removeNodes))
}

function addServiceCommands(service: Command, withSession: WithSession): void {
  service.enablePositionalOptions()
  const create = service
    .command('create <image> [args...]')
    .description('Create a service; what follows IMAGE goes to the container')
    .passThroughOptions()
  withWaitFlags(withOptions(withSpecFlags(create, 'create'), imageOptions))
    .addHelpText('after', '\nExample:\n  meshctl service create --name web -p 8080:80 nginx:1')
    .action(
      withSession((session: Session, image: string, args: string[], flags: object) =>
        createService(session, [image, ...args], flags),
      ),
    )
  withListFlags(service.command('ls').description('List services')).action(
    withSession(listServices),
  )
  withPsFlags(service.command('ps <service...>').description('List tasks of services')).action(
    withSession(listServiceTasks),
  )
  service
    .command('logs <service|task>')
    .description('Show what a service or a task printed')
    .option('-f, --follow', 'go on, with tasks that start later too')
    .option('-n, --tail <lines>', 'so many of the last ones of each task, or all')
    .option('--since <time>', 'not before: a date, or a duration such as 10m')
    .option('--until <time>', 'not after')
    .option('-t, --timestamps', 'show when each line was printed')
    .option('--details', 'show what the log driver tells beside')
    .option('--raw', 'lines as they were printed')
    .option('--no-resolve', 'show IDs instead of names')
    .option('--no-task-ids', 'leave task IDs out')
    .option('--no-trunc', 'do not cut IDs')
    .action(
      withSession((session: Session, reference: string, flags: LogFlags) =>
        showLogs(session, reference, flags),
      ),
    )
  withInspectFlags(service.command('inspect <service...>').description('Show services')).action(
    withSession(inspectServices),
  )
  withWaitFlags(service.command('scale <service=replicas...>').description('Scale services'))
    .addHelpText('after', '\nExample:\n  meshctl service scale web=5 api=2')
    .action(withSession(scaleServices))
  const update = service.command('update <service>').description('Change a service')
  withWaitFlags(withOptions(withSpecFlags(update, 'update'), [...updateOptions, ...imageOptions]))
    .addHelpText('after', '\nExample:\n  meshctl service update --image nginx:2 web')
    .action(withSession(updateService))
  withWaitFlags(service.command('rollback <service>'))
    .description('Take the last change of a service back')
    .action(withSession(rollBackService))
  service
    .command('rm <service...>')
    .description('Remove services')
    .action(withSession((session: Session, names: string[]) => removeServices(session, names)))
}

function addSwarmCommands(swarm: Command, withSession: WithSession): void {
  swarm
    .command('join-token <role>')
    .description('Print the command that adds a manager or worker')
    .option('-q, --quiet', 'only print the token')
    .option('--rotate', 'make a new token; the old one stops working')
    .action(withSession(joinToken))
  swarm
    .command('update')
    .description('Change the swarm')
    .option('--autolock <bool>', 'whether managers lock their keys: true or false')
    .action(withSession(updateSwarm))
  swarm
    .command('unlock')
    .description('Unlock this manager; the key is asked for, or read from standard input')
    .action(withSession(unlock))
  swarm
    .command('unlock-key')
    .description('Print the key that unlocks managers')
    .option('-q, --quiet', 'only print the key')
    .option('--rotate', 'make a new key; a manager that is down still starts with the old one')
    .action(withSession(unlockKey))
  swarm
    .command('ca')
    .description('Print the root CA of the swarm, or replace it')
    .option('--rotate', 'replace it: all nodes get new certificates, and join tokens change')
    .option('--ca-cert <file>', 'the new CA in PEM; an intermediate, then its root')
    .option('--ca-key <file>', 'its key in PEM, not encrypted')
    .option('-d, --detach', 'do not wait for the end')
    .option('-q, --quiet', 'no progress')
    .action(withSession(showAuthority))
  swarm
    .command('rotate-gossip-key')
    .description('Replace the key of the gossip now; otherwise it is replaced every 12 hours')
    .action(withSession(rotateGossipKey))
  swarm
    .command('leave')
    .description('Take this node out of its swarm: its tasks stop, and so does its daemon')
    .option('-f, --force', 'also a manager')
    .action(withSession(leaveSwarm))
}

function addClusterCommands(cluster: Command, withSession: WithSession): void {
  const snapshot = cluster.command('snapshot').description('Save and restore what the cluster is')
  snapshot
    .command('save <file>')
    .description('Save services, secrets, configs and settings; the file holds all secrets')
    .action(withSession((session: Session, path: string) => saveSnapshot(session, path)))
  snapshot
    .command('restore <file>')
    .description('Make the cluster what the snapshot says')
    .option('-f, --force', 'take a snapshot of another cluster, when this one is empty')
    .addHelpText('after', restoreHelp)
    .action(withSession(restoreSnapshot))
}
