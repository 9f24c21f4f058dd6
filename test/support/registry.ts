import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from './daemon.ts'
import { endProcess } from './docker-engine.ts'
import { eventually } from './eventually.ts'
import type { LanHost } from './namespaces.ts'

export interface RegistriesOptions {
  /** Where they run, and at which address. */
  readonly on: LanHost
  readonly address: string
  /** Holds their images and configuration, and docker's logins. */
  readonly dir: string
}

const password = 'secret'
const user = 'mesh'
/** Of the password, by bcrypt. */
const hash = '$2b$05$xThVn/xYeDRB402yjiKMq.UKcFmdL5jX5yppGygwSHN6FXcvWHWbC'

/** Registries of our own on one host of a Lan, for engines that trust it without TLS. */
export class Registries implements AsyncDisposable {
  readonly open: Registry
  /** Comes and goes. */
  readonly fragile: Registry
  /** Has one account for everything; whoever comes without it is refused. */
  readonly closed: Registry
  /** Accepts connections, and never says a word. */
  readonly silent: Registry
  readonly password = password
  /** A folder of docker's configuration with the login to the closed one. */
  readonly logins: string

  constructor({ on, address, dir }: RegistriesOptions) {
    const at = (port: number, isClosed = false): Registry => {
      const config = join(dir, `${port}.yml`)
      const account = isClosed ? join(dir, 'accounts') : null
      const words = ['docker-registry', 'serve', config]
      const registry = new Registry(`${address}:${port}`, [...on.prefix, ...words], on)
      writeFileSync(config, configOf(registry, join(dir, String(port)), account))
      return registry
    }
    this.logins = join(dir, 'logins')
    mkdirSync(this.logins, { recursive: true })
    this.open = at(5000)
    this.fragile = at(5001)
    this.closed = at(5002, true)
    const script = `require('net').createServer(() => {}).listen(5003, '${address}')`
    const silent = [...on.prefix, process.execPath, '-e', script]
    this.silent = new Registry(`${address}:5003`, silent, on)
    writeFileSync(join(dir, 'accounts'), `${user}:${hash}\n`)
    const auth = Buffer.from(`${user}:${password}`).toString('base64')
    const auths = { [this.closed.host]: { auth } }
    writeFileSync(join(this.logins, 'config.json'), JSON.stringify({ auths }))
  }

  get #all(): readonly Registry[] {
    return [this.open, this.fragile, this.closed, this.silent]
  }

  async start(): Promise<void> {
    await Promise.all(this.#all.map((registry) => registry.start()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((registry) => registry.stop()))
  }
}

/** What curl ends with when nobody listens. */
const refused = 7

export class Registry {
  /** With its port, as images begin. */
  readonly host: string
  readonly #words: readonly string[]
  readonly #on: LanHost
  #child: ChildProcess | null = null

  constructor(host: string, words: readonly string[], on: LanHost) {
    this.host = host
    this.#words = words
    this.#on = on
  }

  async start(): Promise<void> {
    const [file = '', ...args] = this.#words
    this.#child = spawn(file, args, { stdio: 'ignore' })
    const asked = ['curl', '-s', '--max-time', '0.5', '-o', '/dev/null', `http://${this.host}/v2/`]
    const [program = '', ...words] = [...this.#on.prefix, ...asked]
    await eventually(async () => {
      const { code } = await runProgram(program, words)
      assert.notEqual(code, refused, `${this.host} does not listen`)
    })
  }

  async stop(): Promise<void> {
    if (this.#child !== null) await endProcess(this.#child, 'SIGKILL')
    this.#child = null
  }
}

function configOf({ host }: Registry, images: string, accounts: string | null): string {
  const lines = ['version: 0.1', 'log:', '  level: error', 'storage:', '  filesystem:']
  lines.push(`    rootdirectory: ${images}`, '  delete:', '    enabled: true')
  lines.push('http:', `  addr: ${host}`)
  if (accounts !== null) {
    lines.push('auth:', '  htpasswd:', '    realm: test', `    path: ${accounts}`)
  }
  return `${lines.join('\n')}\n`
}

/** Why there can be no registry here; null when there can. MESH_REQUIRE_DOCKER=1 makes it fail. */
export function registryUnavailable(): string | null {
  const reason = isInstalled() ? null : 'there is no docker-registry on the PATH'
  assert.ok(
    reason === null || process.env['MESH_REQUIRE_DOCKER'] !== '1',
    `a registry is required, but ${reason}`,
  )
  return reason
}

function isInstalled(): boolean {
  try {
    execFileSync('docker-registry', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
