import { request } from 'node:http'
import type { MeshClient } from '../client/mesh-client.ts'

export const demoPort = 8080
const name = 'demo'

/** The built-in whoami, one task a node or more, told the caller's own address by PROXY protocol. */
export async function createDemo(client: MeshClient, nodes: number): Promise<void> {
  const existing = await client.services({ name: [name] })
  if (existing.length > 0) return
  await client.createService({
    Name: name,
    Labels: { [`mesh.ingress.${demoPort}.proxy-protocol`]: 'v2' },
    TaskTemplate: { ContainerSpec: { Image: 'meshd/whoami' } },
    Mode: { Replicated: { Replicas: nodes } },
    EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: demoPort }] },
  })
}

/** Whether the demo's port answers on that node. */
export function isAnswering(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: address, port: demoPort, timeout: 2000, agent: false } as const
    const asked = request(options, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200))
    })
    asked.once('timeout', () => asked.destroy())
    asked.once('error', () => resolve(false))
    asked.end()
  })
}
