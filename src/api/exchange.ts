import type { IncomingMessage, ServerResponse } from 'node:http'
import { badRequest, messageOf, type Complaint } from './api-error.ts'
import type { Caller } from './deps.ts'

/** One request on its way to an answer. */
export interface Exchange {
  readonly caller: Caller
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  /** Without the version prefix, decoded parts are the router's. */
  readonly path: string
  readonly query: URLSearchParams
}

const newestMinor = 50
const oldestMinor = 24

export const apiVersion = `1.${newestMinor}`
export const minApiVersion = `1.${oldestMinor}`

/** `/v1.NN/services?x=y` → path and query; versions that we do not speak are refused. */
export function parseTarget(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?')
  const whole = mark < 0 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  const versioned = /^\/v(\d+)\.(\d+)(\/.*)$/.exec(whole)
  if (versioned === null) return { path: whole, query }
  checkVersion(Number(versioned[1]), Number(versioned[2]))
  return { path: versioned[3] ?? '/', query }
}

export const withoutVersion = (url: string): string => url.replace(/^\/v\d+\.\d+(?=\/)/, '')

function checkVersion(major: number, minor: number): void {
  if (major > 1 || minor > newestMinor) {
    throw badRequest(
      `client version ${major}.${minor} is too new. Maximum supported API version is ${apiVersion}`,
    )
  }
  if (major < 1 || minor < oldestMinor) {
    throw badRequest(
      `client version ${major}.${minor} is too old. Minimum supported API version is ${minApiVersion}`,
    )
  }
}

export function sendJson(exchange: Pick<Exchange, 'res'>, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  exchange.res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
  })
  exchange.res.end(body)
}

/** Docker's clients read `message`; meshctl also reads the parts. */
export function sendComplaint(exchange: Pick<Exchange, 'res'>, complaint: Complaint): void {
  const { status, ...parts } = complaint
  sendJson(exchange, status, { message: messageOf(complaint), ...parts })
}

/** Go's idea of a true flag in a query. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = (query.get(name) ?? '').trim().toLowerCase()
  return !['', '0', 'no', 'false', 'none'].includes(value)
}

export function requiredVersion(query: URLSearchParams): number {
  const text = query.get('version') ?? ''
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw badRequest(
    `invalid swarm object version '${text}'`,
    'an update names the version that it was made from',
    'add ?version=N with the Version.Index of the object as you read it',
  )
}
