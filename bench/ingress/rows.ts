/** How a request reaches the backend: by a proxy of the same node, or over two nodes. */
export type Path = 'tcp' | 'http' | 'far-tcp' | 'far-http'

/** One line of the table. */
export interface Row {
  readonly what: string
  readonly path: Path
  readonly file: 'small' | 'bulk'
  readonly connections: number
  /** One connection a request. */
  readonly closes?: true
  readonly unit: 'µs per request' | 'µs per connection' | 'ms per GB'
  /** Our CPU over HAProxy's. */
  readonly must?: { readonly atMost: number }
}

const small = { file: 'small', connections: 64, unit: 'µs per request' } as const
const fresh = { ...small, closes: true, unit: 'µs per connection' } as const
const bulk = { file: 'bulk', connections: 4, unit: 'ms per GB' } as const

export const rows: readonly Row[] = [
  { what: 'TCP keep-alive 1 kB, 64 connections', path: 'tcp', ...small },
  { what: 'TCP new connection', path: 'tcp', ...fresh },
  { what: 'TCP bulk', path: 'tcp', ...bulk },
  { what: 'HTTP keep-alive 1 kB, 64 connections', path: 'http', ...small },
  { what: 'two nodes, TCP keep-alive 1 kB, 64 connections', path: 'far-tcp', ...small },
  {
    what: 'two nodes, TCP keep-alive 1 kB, 256 connections',
    path: 'far-tcp',
    ...small,
    connections: 256,
  },
  {
    what: 'two nodes, HTTP keep-alive 1 kB, 64 connections',
    path: 'far-http',
    ...small,
    must: { atMost: 1.2 },
  },
  { what: 'two nodes, TCP new connection', path: 'far-tcp', ...fresh },
  { what: 'two nodes, TCP bulk', path: 'far-tcp', ...bulk },
]
