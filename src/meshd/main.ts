import { Command, Option } from 'commander'
import { parseConfig } from './config.ts'
import { explainFault } from './explain-fault.ts'
import { runDaemon } from './run-daemon.ts'
import { runDev } from './run-dev.ts'
import { version } from './version.ts'

const collect = (value: string, all: readonly string[] = []): string[] => [...all, value]

const program = new Command('meshd')
  .description('one node of the mesh: membership, consensus, scheduling and ingress')
  .version(version)
  .enablePositionalOptions()

program
  .command('up')
  .description('start this node: a new cluster, a member of one (--join), or what it was before')
  .option('--join <token@host:port>', 'join the cluster that this line belongs to')
  .option('--data-dir <dir>', 'where this node keeps its state (default: /var/lib/meshd)')
  .option('--socket <path>', 'where the API answers (default: /run/meshd.sock)')
  .option('--listen-addr <ip>', 'address to listen on, published ports too (default: 0.0.0.0)')
  .option('--advertise-addr <ip>', 'address by which the other nodes reach this one')
  .option('--port <port>', 'API and joins between nodes (default: 2377)')
  .option('--gossip-port <port>', 'membership and records, tcp and udp (default: 7946)')
  .option('--data-path-port <port>', 'traffic between nodes, tcp (default: 4789)')
  .option('--runtime <docker|process>', 'what runs tasks (default: docker)')
  .option('--docker-socket <path>', "the engine's socket (default: /var/run/docker.sock)")
  .option('--label <key=value>', 'engine label, may be repeated', collect)
  .option('--ingress-workers <n>', 'threads of the data plane (default: one per core)')
  .option('--ingress-engine <auto|ring|net>', 'how the data plane talks to the kernel')
  .option('--availability <active|pause|drain>', 'whether it takes tasks (default: active)')
  .option('--name <name>', "this node's name (default: the machine's)")
  .option('--log-format <json|pretty>', 'default: pretty on a terminal')
  .option('--log-level <level>', 'debug, info, warn or error (default: info)')
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
  process.stderr.write(`${explainFault(error)}\n`)
  process.exitCode = 1
}
