import { engineFault } from './engine-fault.ts'

const maxLineLength = 1024 * 1024

/** Objects of a stream that holds one a line, as Docker's events and progress do. */
export async function* readJsonLines(
  stream: AsyncIterable<Buffer | string>,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineLength) throw engineFault('engine/refused', 'an endless line')
    for (const line of lines) if (line.trim() !== '') yield parseObject(line)
  }
  if (rest.trim() !== '') yield parseObject(rest)
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch (cause) {
    throw engineFault('engine/refused', 'the engine sent a line that is not JSON', cause)
  }
}
