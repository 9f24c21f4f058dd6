import { STATUS_CODES } from 'node:http'
import { ascii } from './octets.ts'
import type { HeadProblem } from './request-head.ts'

type OwnStatus = 200 | 400 | 404 | 408 | 413 | 414 | 417 | 431 | 501 | 502 | 503 | 504 | 505 | 508

export interface Verdict {
  readonly status: OwnStatus
  /** For people; of our words only. */
  readonly because: string
}

export const verdicts = {
  slowHead: { status: 408, because: 'the head took too long' },
  slowBody: { status: 408, because: 'the body took too long' },
  badBody: { status: 400, because: 'the body is malformed' },
  shortBody: { status: 400, because: 'the body was cut short' },
  tooLarge: { status: 413, because: 'the body is larger than this service takes' },
  slowTask: { status: 504, because: 'the task took too long' },
  loop: { status: 508, because: 'this request has been here before' },
  lastHop: { status: 200, because: 'this is as far as it goes' },
} as const satisfies Record<string, Verdict>

interface OwnAnswer extends Verdict {
  readonly requestId: string
  readonly isHead: boolean
  /** `Connection: …`, with its CRLF. */
  readonly connection: Uint8Array
}

export const headProblems: Readonly<Record<Exclude<HeadProblem, 0>, string>> = {
  400: 'the head is malformed',
  414: 'the target is too long',
  417: 'only 100-continue can be expected',
  431: 'the head is too large',
  501: 'this method or coding is not implemented',
  505: 'only HTTP/1.1 and HTTP/1.0 are spoken here',
}

/** An answer that comes from the entry itself. */
export function encodeOwnAnswer(answer: OwnAnswer): Uint8Array {
  const { status, because, requestId, isHead, connection } = answer
  const title = `${status} ${STATUS_CODES[status]}`
  const body = `${title}: ${because} (request ${requestId})\n`
  const head = [
    `HTTP/1.1 ${title}`,
    'Content-Type: text/plain; charset=utf-8',
    'Cache-Control: no-store',
    `Content-Length: ${body.length}`,
    `X-Request-Id: ${requestId}`,
  ]
  const lines = ascii(`${head.join('\r\n')}\r\n`)
  return Buffer.concat([lines, connection, ascii(isHead ? '\r\n' : `\r\n${body}`)])
}
