import { request } from 'node:http'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { Config } from './config.ts'

const pingLimitMs = 5000

/**
 * Docker unless told otherwise; a node that should run docker and finds no engine says so before it
 * enters a cluster. One that has been told `docker` by name starts all the same: engines come back.
 */
export async function chooseRuntime(config: Config): Promise<'docker' | 'process'> {
  if (config.runtime !== null) return config.runtime
  const reason = await pingEngine(config.dockerSocket)
  if (reason === null) return 'docker'
  throw new MeshError({ code: 'daemon/engine-missing', socket: config.dockerSocket, reason })
}

/** Null when it answers, else why not. */
function pingEngine(socketPath: string): Promise<string | null> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/_ping', timeout: pingLimitMs }, (response) => {
      response.resume()
      resolve(response.statusCode === 200 ? null : `it answers ${response.statusCode}`)
    })
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${pingLimitMs} ms`)))
    asked.once('error', (error) => resolve(error.message))
    asked.end()
  })
}
