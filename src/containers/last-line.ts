const maxLineLength = 200

/** The last line that says something, cut to a length that a table can show. */
export function lastLineOf(text: string): string | null {
  const line = text.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? null : line.slice(0, maxLineLength)
}
