import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { get } from './http.ts'
import { eventually } from './eventually.ts'

export interface RegistryOptions {
  readonly port: number
  /** Holds its images and its configuration. */
  readonly dir: string
  /** One account for everything; whoever comes without it is refused. */
  readonly account?: Account
}

interface Account {
  readonly user: string
  /** Of the password, by bcrypt. */
  readonly hash: string
}

/** A registry of our own on 127.0.0.1, which engines trust without TLS. */
export class Registry {
  readonly host: string
  readonly #options: RegistryOptions
  #child: ChildProcess | null = null

  constructor(options: RegistryOptions) {
    this.#options = options
    this.host = `127.0.0.1:${options.port}`
  }

  async start(): Promise<void> {
    const { dir } = this.#options
    mkdirSync(dir, { recursive: true })
    const path = join(dir, 'config.yml')
    writeFileSync(path, this.#config())
    this.#child = spawn('docker-registry', ['serve', path], { stdio: 'ignore' })
    await eventually(() => get(`http://${this.host}/v2/`))
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  #config(): string {
    const { dir, account } = this.#options
    const lines = ['version: 0.1', 'log:', '  level: error', 'storage:', '  filesystem:']
    lines.push(`    rootdirectory: ${join(dir, 'images')}`, '  delete:', '    enabled: true')
    lines.push('http:', `  addr: ${this.host}`)
    if (account === undefined) return `${lines.join('\n')}\n`
    const accounts = join(dir, 'htpasswd')
    writeFileSync(accounts, `${account.user}:${account.hash}\n`)
    lines.push('auth:', '  htpasswd:', '    realm: test', `    path: ${accounts}`)
    return `${lines.join('\n')}\n`
  }
}

/** Why there can be no registry here; null when there can. */
export function registryUnavailable(): string | null {
  try {
    execFileSync('docker-registry', ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return 'there is no docker-registry on the PATH'
  }
}
