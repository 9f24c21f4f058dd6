import { request, type ClientRequest } from 'node:http'
import type { Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: string
  /** `name: value` lines of `meshd/whoami`. */
  readonly facts: Readonly<Record<string, string>>
}

/** One GET on a connection of its own; rejects on refusal, reset, short body or time-out. */
export function get(url: string, timeoutMs = 3000): Promise<Answer> {
  return answerTo(request(url, { agent: false, timeout: timeoutMs }), timeoutMs)
}

/** The same over a connection that is open already; ends with it. */
export function getOver(
  socket: Socket,
  headers: Readonly<Record<string, string>>,
  timeoutMs = 3000,
): Promise<Answer> {
  const options = { headers, timeout: timeoutMs, createConnection: () => socket }
  return answerTo(request({ host: 'mesh', ...options }), timeoutMs)
}

function answerTo(asked: ClientRequest, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    asked.once('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (body += part))
      response.once('error', reject)
      response.once('end', () => {
        if (!response.complete) return reject(new Error('short body'))
        resolve({ status: response.statusCode ?? 0, body, facts: parseFacts(body) })
      })
    })
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    asked.once('error', reject)
    asked.end()
  })
}

function parseFacts(body: string): Record<string, string> {
  const lines = body.split('\n').map((line) => /^([^:]+): (.*)$/.exec(line))
  return Object.fromEntries(
    lines.filter((match) => match !== null).map((match) => [match[1] ?? '', match[2] ?? '']),
  )
}

/** Who cannot connect at all counts as closed; an answer or a reset after connecting as open. */
export async function isRefused(url: string): Promise<boolean> {
  try {
    await get(url, 1000)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  }
}
