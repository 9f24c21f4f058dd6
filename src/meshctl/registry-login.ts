import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface DockerConfig {
  readonly auths?: Readonly<
    Record<string, { readonly auth?: string; readonly identitytoken?: string }>
  >
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
}

const dockerHub = 'https://index.docker.io/v1/'
const helperLimitMs = 10_000

/** What `docker login` left for the image's registry, as `X-Registry-Auth` says it; null: nothing. */
export function registryLogin(
  image: string,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  const config = readConfig(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '', '.docker'))
  const registry = registryOf(image)
  const helper = config.credHelpers?.[registry] ?? config.credsStore
  const login =
    helper === undefined ? storedLogin(config, registry) : helpersLogin(helper, registry)
  if (login === null) return null
  const said = Buffer.from(JSON.stringify({ ...login, serveraddress: registry }))
  // With its padding: engines take a login without it for none.
  return said.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

/** Docker's rule: what looks like a host before the first slash is one. */
export function registryOf(image: string): string {
  const cut = image.indexOf('/')
  const host = cut < 0 ? '' : image.slice(0, cut)
  const isHost = /[.:]/.test(host) || host === 'localhost'
  return isHost && host !== 'docker.io' ? host : dockerHub
}

function readConfig(folder: string): DockerConfig {
  try {
    return JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as DockerConfig
  } catch {
    return {}
  }
}

function storedLogin({ auths = {} }: DockerConfig, registry: string): object | null {
  const entry = auths[registry] ?? auths[`https://${registry}`]
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken }
  if (!entry?.auth) return null
  const [username = '', ...rest] = Buffer.from(entry.auth, 'base64').toString('utf8').split(':')
  return { username, password: rest.join(':') }
}

/** Docker's credential helpers: the registry goes in, a name and a secret come out. */
function helpersLogin(helper: string, registry: string): object | null {
  if (!/^[\w.-]+$/.test(helper)) return null
  try {
    const options = { input: registry, encoding: 'utf8', timeout: helperLimitMs } as const
    const said: unknown = JSON.parse(execFileSync(`docker-credential-${helper}`, ['get'], options))
    const { Username, Secret } = said as { readonly Username: string; readonly Secret: string }
    if (Username === '<token>') return { identitytoken: Secret }
    return { username: Username, password: Secret }
  } catch {
    return null
  }
}
