import type { ApiContext } from './api-context.ts'
import { complain } from './api-error.ts'
import type { Exchange } from './exchange.ts'

const builtIn = /^(?:docker\.io\/)?meshd\/whoami(?::|@|$)/

/**
 * Docker's client asks for an image's digest first. This node's engine knows how to ask a registry;
 * without one, or for an image that no registry has, the client hears so, warns and goes on by name.
 */
export function distribution(context: ApiContext, exchange: Exchange, reference: string): void {
  context.refuseOnWorker()
  const isHere = builtIn.test(reference)
  if (!isHere && context.deps.engine.socketPath !== null) return context.passToEngine(exchange)
  throw complain({
    status: 404,
    code: 'api/no-registry',
    what: `no digest of ${reference} is known`,
    why: isHere
      ? 'every node makes it by itself'
      : 'this node has no container engine to ask registries with; each node resolves the name',
  })
}
