import { request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly body: string
  /** `name: value` lines of `meshd/whoami`. */
  readonly facts: Readonly<Record<string, string>>
}

/** One GET on a connection of its own; rejects on refusal, reset, short body or time-out. */
export function get(url: string, timeoutMs = 3000): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, timeout: timeoutMs }, (response) => {
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
