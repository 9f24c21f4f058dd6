import type { IncomingMessage } from 'node:http'
import { badRequest, complain, type ApiError } from './api-error.ts'

const bodyLimitBytes = 10 * 1024 * 1024
/** A body that is too big is read on to here and thrown away, so that its sender gets to read why. */
const discardLimitBytes = 64 * 1024 * 1024
const depthLimit = 64

/** The whole body as JSON. Whatever is wrong with it becomes an `ApiError`. */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  const text = (await readBody(req)).toString('utf8')
  if (text.trim() === '') throw badRequest('the request has no body', 'this call expects JSON')
  const value = parseJson(text)
  const problem = problemOf(value)
  if (problem !== null) throw badRequest(problem)
  return value
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badRequest('the request body is not JSON', (error as Error).message)
  }
}

export async function readBody(req: IncomingMessage, limitBytes = bodyLimitBytes): Promise<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > discardLimitBytes) throw tooLarge(limitBytes)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer
    length += bytes.length
    if (length <= limitBytes) chunks.push(bytes)
    if (length > discardLimitBytes) break
  }
  if (length > limitBytes) throw tooLarge(limitBytes)
  return Buffer.concat(chunks)
}

const tooLarge = (limitBytes: number): ApiError =>
  complain({
    status: 413,
    code: 'api/too-large',
    what: `the request body is larger than ${limitBytes / 1024 / 1024} MB`,
    hint: 'send large data to a volume or a registry, not through the API',
  })

/** Walks with a stack of its own: JSON.parse accepts nesting that recursion would not survive. */
function problemOf(root: unknown): string | null {
  const waiting: { value: unknown; depth: number }[] = [{ value: root, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, depth } = next
    if (typeof value !== 'object' || value === null) continue
    if (depth > depthLimit)
      return `the JSON of the request is nested over ${depthLimit} levels deep`
    // Libraries drop this key without a word, and what is ignored must be refused.
    if (Object.hasOwn(value, '__proto__')) return 'a key cannot be called __proto__'
    for (const child of Object.values(value)) waiting.push({ value: child, depth: depth + 1 })
  }
  return null
}
