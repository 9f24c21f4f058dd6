import type { ApiContext } from './api-context.ts'
import { complain } from './api-error.ts'
import type { Exchange } from './exchange.ts'

/** Docker's CLI asks for an image's digest first; on this answer it warns and goes on by name. */
export function distribution(context: ApiContext, _exchange: Exchange, reference: string): never {
  context.refuseOnWorker()
  throw complain({
    status: 404,
    code: 'api/no-registry',
    what: `no digest of ${reference} is known`,
    why: 'meshd does not ask registries yet; each node resolves the image by its name',
  })
}
