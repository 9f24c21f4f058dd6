export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** Docker's grammar for `-H`: `unix:///path`, `tcp://host:port`. Null when it is something else. */
export function parseEndpoint(text: string): Endpoint | null {
  const unix = /^(?:unix:\/\/)?(\/.+)$/.exec(text)
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] }
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text)
  const port = Number(tcp?.[2])
  if (tcp?.[1] === undefined || port < 1 || port > 65_535) return null
  return { kind: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port }
}
