import { request as requestPlain, type IncomingMessage } from 'node:http'
import { request as requestSecure } from 'node:https'
import type { Clock } from '../../mesh/base/clock.ts'
import type { ApiRoute } from './deps.ts'

const answerWithinMs = 3_000
const maxComplaintBytes = 16 * 1024

interface Call {
  readonly path: string
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** Resolves with the head of the answer; its body is for the caller to read, or to destroy. */
export function callNode({ target, agent }: ApiRoute, given: Call): Promise<IncomingMessage> {
  const { path, signal, clock } = given
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const url = new URL(path, target)
  const request = url.protocol === 'https:' ? requestSecure : requestPlain
  const call = request(url, { agent, signal })
  const cancel = clock.after(answerWithinMs, () => call.destroy(new Error('no answer in time')))
  call.once('response', (response) => {
    cancel()
    resolve(response)
  })
  call.on('error', (error) => {
    cancel()
    reject(error)
  })
  call.end()
  return promise
}

/** Why another node refuses, in its words. */
export async function complaintIn(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    if (text.length > maxComplaintBytes) break
  }
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown }
    return typeof message === 'string' ? message : `status ${response.statusCode}`
  } catch {
    return `status ${response.statusCode}`
  }
}
