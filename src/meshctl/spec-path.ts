/** Where a value stands in docker's JSON. */
export type Path = readonly string[]

/** Where a field of the container stands. */
export const container = (...path: Path): Path => ['TaskTemplate', 'ContainerSpec', ...path]

type Node = Readonly<Record<string, unknown>>

export function valueAt(node: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined) return node
  return valueAt((node as Node | undefined)?.[key], rest)
}

/** The same with another value there; with none when it is undefined. */
export function withValue<T extends object>(node: T, [key = '', ...rest]: Path, value: unknown): T {
  const { [key]: before, ...others } = node as Node
  const inside = (before ?? {}) as Node
  const after = rest.length === 0 ? value : withValue(inside, rest, value)
  return (after === undefined ? others : { ...node, [key]: after }) as T
}
