import type { IncomingMessage } from 'node:http'
import { nodeId } from '../../mesh/base/ids.ts'
import type { Node } from '../model/docker.ts'
import type { ApiContext } from './api-context.ts'
import { callNode, complaintIn } from './call-node.ts'
import { sendJson, type Exchange } from './exchange.ts'
import { ingressReport, reportOf, type IngressReport } from './ingress-report.ts'
import { all, type Found } from './lookup.ts'
import { nameOf } from './node-role.ts'
import { closingSignal } from './streaming.ts'

/** Thousands of ports. */
const maxReportBytes = 4 * 1024 * 1024
/** From the question to the end of the answer. */
const reportWithinMs = 4_000

/** Ours: the published ports of this node. Workers answer it, too, when a manager asks. */
export function reportIngress({ deps }: ApiContext, exchange: Exchange): void {
  sendJson(exchange, 200, reportOf(deps.ingressPorts()))
}

/** Ours: the published ports of every node; one that cannot be asked is named, with the reason. */
export async function listIngress(context: ApiContext, exchange: Exchange): Promise<void> {
  context.refuseOnWorker()
  const signal = closingSignal(exchange.req, exchange.res)
  const nodes = all<Node>(context.localView().catalog, 'node')
  const reports = nodes.map(async (node) => ({
    NodeID: node.id,
    NodeName: nameOf(node),
    ...(await reportFrom(node, context, signal)),
  }))
  sendJson(exchange, 200, await Promise.all(reports))
}

async function reportFrom(
  { id }: Found<Node>,
  { deps }: ApiContext,
  closed: AbortSignal,
): Promise<IngressReport> {
  if (id === deps.node.self) return reportOf(deps.ingressPorts())
  const late = new AbortController()
  const cancel = deps.clock.after(reportWithinMs, () => late.abort(new Error('no answer in time')))
  try {
    const signal = AbortSignal.any([closed, late.signal])
    const call = { path: '/mesh/ingress/self', signal, clock: deps.clock }
    const response = await callNode(deps.dialApi(nodeId(id)), call)
    if (response.statusCode === 200) return await read(response)
    return { Error: `refuses: ${await complaintIn(response)}`, Ports: [] }
  } catch (error) {
    const cause = late.signal.aborted ? 'no answer in time' : (error as Error).message
    return { Error: `cannot be reached: ${cause}`, Ports: [] }
  } finally {
    cancel()
  }
}

async function read(response: IncomingMessage): Promise<IngressReport> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > maxReportBytes) throw new Error('its answer is too long')
    pieces.push(piece)
  }
  return ingressReport.parse(JSON.parse(Buffer.concat(pieces).toString()))
}
