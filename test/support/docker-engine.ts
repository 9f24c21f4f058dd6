import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { request } from 'node:http'
import { delimiter, join } from 'node:path'
import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './eventually.ts'

export interface DockerEngineOptions {
  /** Tells engines of one test apart; also names their bridge. */
  readonly name: string
  /** Holds data, sockets and log; short, for a socket's path may have 107 bytes. */
  readonly dir: string
}

export interface DockerEngineHandle {
  /** Path of the engine's socket. */
  readonly socket: string
  readonly pid: number
  /** Makes a tiny image with a shell, such as `busybox:latest`, without a registry. */
  importBusyboxImage(tag: string): Promise<void>
  /** The docker CLI against this engine. */
  docker(...words: string[]): string
  /** As a crash would end it: containers and their shims stay. */
  kill(): Promise<void>
  /** Starts it again on the same data, with more flags of dockerd. */
  restart(...flags: string[]): Promise<void>
  /** Ends it, and with it everything that it left on this machine. */
  stop(): Promise<void>
}

const readyWithinMs = 60_000
const stopWithinMs = 20_000

/** Why there can be no docker engine here; null when there can. MESH_REQUIRE_DOCKER=1 makes it fail. */
export function dockerUnavailable(): string | null {
  const reason = whyUnavailable()
  assert.ok(
    reason === null || process.env['MESH_REQUIRE_DOCKER'] !== '1',
    `a docker engine is required, but ${reason}`,
  )
  return reason
}

function whyUnavailable(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start dockerd'
  for (const program of ['dockerd', 'docker', 'iptables', 'ip', 'busybox', 'tar']) {
    if (!isOnPath(program)) return `there is no ${program} on the PATH`
  }
  return null
}

/** A dockerd of our own: own data, own socket, own bridge in 198.18.0.0/15. */
export async function startDockerEngine(options: DockerEngineOptions): Promise<DockerEngineHandle> {
  const { name, dir } = options
  const digest = createHash('sha256').update(`${name} ${dir} ${process.pid}`).digest()
  const bridge = `mesht${digest.toString('hex').slice(0, 8)}`
  const address = `198.${18 + ((digest[8] ?? 0) & 1)}.${digest[9]}.1/24`
  const socket = join(dir, 'docker.sock')
  mkdirSync(dir, { recursive: true })
  const forwardPolicy = readForwardPolicy()
  run('ip', 'link', 'add', 'name', bridge, 'type', 'bridge')
  run('ip', 'addr', 'add', address, 'dev', bridge)
  run('ip', 'link', 'set', bridge, 'up')
  let daemon: ChildProcess | null = null

  const start = async (...flags: string[]): Promise<void> => {
    daemon = spawnDaemon({ dir, socket, bridge, flags })
    await whenReady(daemon, socket, dir)
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (daemon !== null) await endProcess(daemon, signal)
    daemon = null
  }
  const kill = async (): Promise<void> => {
    await end('SIGKILL')
    // Its containerd is nobody's child now, and the next dockerd could not use it.
    endByPidFile(join(dir, 'exec/containerd/containerd.pid'))
  }
  const stop = async (): Promise<void> => {
    await end('SIGTERM')
    endByPidFile(join(dir, 'exec/containerd/containerd.pid'))
    endShims(dir)
    run('ip', 'link', 'del', bridge)
    run('iptables', '-P', 'FORWARD', forwardPolicy)
    removeRules(bridge)
    unmountBelow(dir)
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  const docker = (...words: string[]): string => dockerAt(socket, ...words)

  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    socket,
    get pid() {
      return daemon?.pid ?? 0
    },
    importBusyboxImage: (tag) => Promise.resolve(importBusybox({ dir, socket, tag })),
    docker,
    kill,
    restart: start,
    stop,
  }
}

function spawnDaemon(given: {
  dir: string
  socket: string
  bridge: string
  flags: readonly string[]
}): ChildProcess {
  const { dir, socket, bridge, flags } = given
  const log = openSync(join(dir, 'dockerd.log'), 'a')
  rmSync(join(dir, 'docker.pid'), { force: true })
  const daemon = spawn(
    'dockerd',
    [
      `--host=unix://${socket}`,
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'docker.pid')}`,
      `--bridge=${bridge}`,
      // Else it turns forwarding on and makes the machine's FORWARD policy DROP for everybody.
      '--ip-forward=false',
      '--userland-proxy=false',
      ...flags,
    ],
    { stdio: ['ignore', log, log] },
  )
  closeSync(log)
  return daemon
}

export async function whenReady(daemon: ChildProcess, socket: string, dir: string): Promise<void> {
  await eventually(async () => {
    if (daemon.exitCode !== null) return
    await ping(socket)
  }, readyWithinMs)
  if (daemon.exitCode === null) return
  const log = readFileSync(join(dir, 'dockerd.log'), 'utf8')
  throw new Error(`dockerd ended with ${daemon.exitCode}:\n${log.slice(-3000)}`)
}

function ping(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path: '/_ping', agent: false, timeout: 2_000 }
    const call = request(options, (response) => resolve(text(response)))
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', reject)
    call.end()
  })
}

export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const isLate = await Promise.race([
    ended.then(() => false),
    sleep(stopWithinMs, true, { ref: false }),
  ])
  if (isLate) {
    child.kill('SIGKILL')
    await ended
  }
}

export function endByPidFile(path: string): void {
  if (!existsSync(path)) return
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 'SIGKILL')
  } catch {
    // It had ended.
  }
  rmSync(path)
}

/** What a crashed engine left running: the shims on its address, and their containers. */
export function endShims(dir: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const words = readProc(`${pid}/cmdline`).split('\0')
    const isShim = words[0]?.includes('containerd-shim') === true
    if (!isShim || !words.some((word) => word.startsWith(`${dir}/`))) continue
    const children = readProc(`${pid}/task/${pid}/children`).trim().split(' ')
    for (const each of [pid, ...children]) if (each !== '') process.kill(Number(each), 'SIGKILL')
  }
}

function readProc(path: string): string {
  try {
    return readFileSync(join('/proc', path), 'latin1')
  } catch {
    return ''
  }
}

const dockerAt = (socket: string, ...words: string[]): string =>
  run('docker', '-H', `unix://${socket}`, ...words).trimEnd()

/** Through `dir`, which holds the image's files afterwards. */
export function importBusybox(to: { dir: string; socket: string; tag: string }): void {
  const { dir, socket, tag } = to
  const root = join(dir, 'busybox')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(join(root, 'bin'), { recursive: true })
  mkdirSync(join(root, 'tmp'), { recursive: true })
  copyFileSync(pathOf('busybox') ?? '', join(root, 'bin/busybox'))
  for (const applet of run('busybox', '--list').trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
  }
  const archive = join(dir, 'busybox.tar')
  run('tar', '-C', root, '-cf', archive, '.')
  const changes = ['ENV PATH=/bin', 'CMD ["sh"]'].flatMap((change) => ['--change', change])
  dockerAt(socket, 'import', ...changes, archive, tag)
}

function readForwardPolicy(): string {
  return /^-P FORWARD (\w+)/m.exec(run('iptables', '-S', 'FORWARD'))?.[1] ?? 'ACCEPT'
}

/** dockerd leaves its rules behind; those of a bridge that is gone are nobody's. */
function removeRules(bridge: string): void {
  for (const table of ['filter', 'nat']) {
    for (const rule of run('iptables', '-t', table, '-S').split('\n')) {
      const words = rule.split(' ')
      if (words[0] !== '-A' || !words.includes(bridge)) continue
      run('iptables', '-t', table, '-D', ...words.slice(1))
    }
  }
}

function unmountBelow(dir: string): void {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${dir}/`))
  for (const path of mounts.reverse()) run('umount', '-l', path)
}

const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

const isOnPath = (program: string): boolean => pathOf(program) !== null

function pathOf(program: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, program)).find(isExecutable) ?? null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
