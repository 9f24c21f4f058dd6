const minWidth = 10
const gap = 3

/** Columns as docker prints them: no borders, three spaces between, none narrower than ten. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    // The last cell of a row is not padded, so that no line ends in spaces.
    row.slice(0, -1).forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? minWidth, displayWidth(cell) + gap)
    })
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : pad(cell, widths[at] ?? 0)))
      .join('')
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}

const pad = (cell: string, width: number): string =>
  cell + ' '.repeat(Math.max(0, width - displayWidth(cell)))

const displayWidth = (text: string): number => Array.from(text).length
