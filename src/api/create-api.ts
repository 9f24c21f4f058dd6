import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Node } from '../model/docker.ts'
import { ApiContext } from './api-context.ts'
import { ApiError, complain, complaintOf, notYet, type Complaint } from './api-error.ts'
import type { ApiDeps, Caller } from './deps.ts'
import { apiVersion, parseTarget, sendComplaint, type Exchange } from './exchange.ts'
import { refuseUpgrade } from './gateway.ts'
import { match } from './routes.ts'

/** The Docker Engine API of one node. The caller listens, and says who is on the other end. */
export interface Api {
  request(caller: Caller, req: IncomingMessage, res: ServerResponse): void
  upgrade(caller: Caller, req: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): void
}

export function createApi(deps: ApiDeps): Api {
  const context = new ApiContext(deps)
  const log = deps.log.child('api')
  const complainAbout = (error: unknown, method: string, path: string): Complaint => {
    const known = complaintOf(error)
    if (known !== null) return known
    log.error({ method, path, err: error }, 'a call to the API failed')
    return { status: 500, code: 'api/bug', what: 'meshd failed on this call', why: String(error) }
  }
  return {
    request(caller, req, res) {
      greet(res, deps)
      answer(context, { caller, req, res }).catch((error: unknown) => {
        if (res.headersSent || res.destroyed) return void res.destroy()
        sendComplaint({ res }, complainAbout(error, req.method ?? '', req.url ?? ''))
      })
    },
    upgrade(caller, req, socket, head) {
      stream(context, { caller, req, socket, head }).catch((error: unknown) => {
        const complaint = complainAbout(error, req.method ?? '', req.url ?? '')
        refuseUpgrade(socket, new ApiError(complaint))
      })
    },
    close: () => context.close(),
  }
}

function greet(res: ServerResponse, deps: ApiDeps): void {
  res.setHeader('Api-Version', apiVersion)
  res.setHeader('Server', `meshd/${deps.version} (linux)`)
}

async function answer(
  context: ApiContext,
  call: Pick<Exchange, 'caller' | 'req' | 'res'>,
): Promise<void> {
  const { req } = call
  const { path, query } = parseTarget(req.url ?? '/')
  const exchange: Exchange = { ...call, method: req.method ?? 'GET', path, query }
  admit(context, call.caller, path)
  if (belongsToEngine(path)) return context.passToEngine(exchange)
  const matched = match(exchange.method, path)
  switch (matched.kind) {
    case 'found':
      return matched.handle(context, exchange, matched.reference)
    case 'wrong-method':
      throw complain({
        status: 405,
        code: 'api/method-not-allowed',
        what: `${exchange.method} is not allowed on ${path}`,
        hint: `use ${matched.allowed.join(' or ')}`,
      })
    case 'no-such-page':
      throw complain({ status: 404, code: 'api/not-found', what: `page not found: ${path}` })
  }
}

interface UpgradeCall {
  readonly caller: Caller
  readonly req: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

async function stream(context: ApiContext, call: UpgradeCall): Promise<void> {
  const { path } = parseTarget(call.req.url ?? '/')
  admit(context, call.caller, path)
  if (!belongsToEngine(path)) throw notYet(`an upgrade of ${path} is not implemented`)
  await context.hijackEngine(call.req, call.socket, call.head)
}

const engineRoots = ['containers', 'images', 'exec', 'volumes']

const belongsToEngine = (path: string): boolean => engineRoots.includes(path.split('/')[1] ?? '')

/** The certificate proved who it is; what it may is looked up anew with every request. */
function admit(context: ApiContext, caller: Caller, path: string): void {
  if (caller.kind === 'local') return
  if (caller.kind === 'scraper') {
    if (path === '/metrics') return
    throw complain({ status: 404, code: 'api/not-found', what: 'here is nothing but /metrics' })
  }
  const node = context.localView().catalog.get('node', caller.node)?.body as Node | undefined
  if (node?.Spec.Role === 'manager') return
  throw complain({
    status: 403,
    code: 'api/not-admitted',
    what: `node ${caller.node} may not call the API of another node`,
    why: node === undefined ? 'it is not a member of this cluster' : 'it is a worker',
    hint: 'ask on the socket of a manager',
  })
}
