import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { isFault } from '../../mesh/base/mesh-error.ts'
import { parseConfig } from './config.ts'
import { explainFault } from './explain-fault.ts'
import { runDaemon } from './run-daemon.ts'
import { runDev } from './run-dev.ts'
import { version } from './version.ts'

/** Two values for one setting: neither may win in silence. */
function once(value: string, previous: string | undefined): string {
  if (previous !== undefined) throw new InvalidArgumentError('It was given twice.')
  return value
}

const collect = (value: string, all: readonly string[] = []): string[] => [...all, value]

const program = new Command('meshd')
  .description('one node of the mesh: membership, consensus, scheduling and ingress')
  .version(version)
  .enablePositionalOptions()
  .exitOverride()

program
  .command('up')
  .description('start this node: a new cluster, a member of one (--join), or what it was before')
  .option('--join <token@host:port>', 'join the cluster that this line belongs to', once)
  .option(
    '--force-new-cluster',
    'on one manager, when a majority is gone for good: goes on alone with all that it knows and ' +
      'demotes the other managers. Say it once, and on one node only',
  )
  .option(
    '--autolock',
    'of a new cluster: the keys of its managers are locked, and each one that restarts waits for ' +
      'meshctl swarm unlock',
  )
  .option('--data-dir <dir>', 'where this node keeps its state (default: /var/lib/meshd)', once)
  .option(
    '--max-log-bytes <n>',
    "what a manager's log may take there, beside two snapshots (default: 67108864)",
    once,
  )
  .option('--socket <path>', 'where the API answers (default: /run/meshd.sock)', once)
  .option(
    '--listen-addr <ip>',
    'address to listen on, published ports too (default: 0.0.0.0)',
    once,
  )
  .option('--advertise-addr <ip>', 'address by which the other nodes reach this one', once)
  .option('--port <port>', 'API and joins between nodes (default: 2377)', once)
  .option('--gossip-port <port>', 'membership and records, tcp and udp (default: 7946)', once)
  .option('--data-path-port <port>', 'traffic between nodes, tcp (default: 4789)', once)
  .option(
    '--metrics-addr <ip:port>',
    'plain HTTP for Prometheus, /metrics only (default: none)',
    once,
  )
  .option('--runtime <docker|process>', 'what runs tasks (default: docker)', once)
  .option('--docker-socket <path>', "the engine's socket (default: /var/run/docker.sock)")
  .option('--label <key=value>', 'engine label, may be repeated', collect)
  .option('--ingress-workers <n>', 'threads of the data plane (default: one per core)', once)
  .option('--ingress-engine <auto|ring|net>', 'how the data plane talks to the kernel', once)
  .option('--availability <active|pause|drain>', 'whether it takes tasks (default: active)', once)
  .option('--name <name>', "this node's name (default: the machine's)")
  .option('--log-format <json|pretty>', 'default: pretty on a terminal', once)
  .option('--log-level <level>', 'debug, info, warn or error (default: info)', once)
  .action((flags: Record<string, unknown>) => {
    const isTerminal = process.stderr.isTTY
    return runDaemon(parseConfig({ flags, env: process.env, isTerminal }))
  })

program
  .command('dev')
  .description('a real cluster on this machine, one node per loopback address, with a demo service')
  .option('--nodes <n>', 'how many nodes', '3')
  .addOption(
    new Option('--runtime <runtime>', 'what runs tasks')
      .choices(['docker', 'process'])
      .default('process'),
  )
  .option('--docker-socket <path>', "the engine's socket", '/var/run/docker.sock')
  .option('--verbose', 'show the logs of the nodes')
  .action(runDev)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = tell(error)
}

/** The exit code: 2 for a command line that makes no sense, 1 for everything else. */
function tell(error: unknown): number {
  // Commander has said it already; asking for help is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  process.stderr.write(`${explainFault(error)}\n`)
  return isFault(error, 'config/invalid') ? 2 : 1
}
