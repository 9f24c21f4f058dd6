import { arch, cpus, totalmem } from 'node:os'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { badRequest, complaintOf, unavailable } from './api-error.ts'
import { apiVersion, minApiVersion, parseTarget, sendComplaint, sendJson } from './exchange.ts'
import { readJson } from './request-body.ts'

export interface LockedNode {
  readonly name: string
  readonly version: string
  readonly runtime: 'docker' | 'process'
  /** False when this is not the key. */
  readonly unlock: (key: string) => boolean
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64' }

/** All that a manager answers before it is unlocked: it can read nothing of its cluster. */
export function lockedApi(node: LockedNode) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    res.setHeader('Api-Version', apiVersion)
    res.setHeader('Server', `meshd/${node.version} (linux)`)
    answer(node, req, res).catch((error: unknown) => {
      if (res.headersSent || res.destroyed) return void res.destroy()
      const bug = { status: 500, code: 'api/bug', what: 'meshd failed on this call' }
      sendComplaint({ res }, complaintOf(error) ?? bug)
    })
  }
}

async function answer(node: LockedNode, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { path } = parseTarget(req.url ?? '/')
  const method = req.method === 'HEAD' ? 'GET' : (req.method ?? 'GET')
  switch (`${method} ${path}`) {
    case 'GET /_ping':
      res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', swarm: 'locked' })
      return void res.end(req.method === 'HEAD' ? undefined : 'OK')
    case 'GET /version':
      return sendJson({ res }, 200, versionOf(node))
    case 'GET /info':
      return sendJson({ res }, 200, infoOf(node))
    case 'POST /swarm/unlock': {
      const { UnlockKey: key } = (await readJson(req)) as { readonly UnlockKey?: unknown }
      if (typeof key !== 'string' || !node.unlock(key)) {
        throw badRequest('swarm could not be unlocked: invalid key provided')
      }
      return void res.writeHead(200, { 'content-length': 0 }).end()
    }
    default:
      throw unavailable(
        'Swarm is encrypted and needs to be unlocked before it can be used',
        undefined,
        'use "meshctl swarm unlock" (or "docker swarm unlock") on this node',
      )
  }
}

const archOf = (): string => architectures[arch()] ?? arch()

const versionOf = ({ version }: LockedNode): object => ({
  Platform: { Name: 'meshd' },
  Version: version,
  ApiVersion: apiVersion,
  MinAPIVersion: minApiVersion,
  Os: 'linux',
  Arch: archOf(),
})

const infoOf = ({ name, version, runtime }: LockedNode): object => ({
  ID: '',
  Name: name,
  ServerVersion: version,
  Containers: 0,
  ContainersRunning: 0,
  Driver: runtime,
  OperatingSystem: 'linux',
  OSType: 'linux',
  Architecture: arch(),
  NCPU: cpus().length,
  MemTotal: totalmem(),
  Swarm: {
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'locked',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: [],
    Managers: 0,
    Nodes: 0,
  },
})
