import { parseTemplate } from './go-template.ts'
import type { Io } from './io.ts'
import { table } from './table.ts'

/** A row's fields go by docker's names, such as `.CurrentState`. */
export type Fields = Readonly<Record<string, string>>

export interface Row {
  readonly plain: Fields
  /** Cells that the table alone marks for people, such as `ID *` for this node. */
  readonly marked?: Fields
}

export interface Listing {
  /** Field and heading, in order. */
  readonly columns: readonly (readonly [field: string, heading: string])[]
  readonly rows: readonly Row[]
}

export interface ListingOptions {
  readonly format?: string
  readonly quiet?: boolean
}

export function printListing(io: Io, listing: Listing, options: ListingOptions): void {
  if (options.quiet === true) return printEach(io, listing.rows, (fields) => fields['ID'] ?? '')
  const format = options.format ?? 'table'
  if (format === 'json') return printEach(io, listing.rows, JSON.stringify)
  if (format === 'table') return printTable(io, listing)
  if (format.startsWith('table ')) return printOwnTable(io, listing, format.slice(6))
  const template = parseTemplate(format)
  printEach(io, listing.rows, (fields) => template.render(fields))
}

function printEach(io: Io, rows: readonly Row[], render: (fields: Fields) => string): void {
  for (const { plain } of rows) io.out(`${render(plain)}\n`)
}

function printTable(io: Io, { columns, rows }: Listing): void {
  const cells = rows.map(({ plain, marked }) =>
    columns.map(([field]) => marked?.[field] ?? plain[field] ?? ''),
  )
  io.out(table([columns.map(([, heading]) => heading), ...cells]))
}

function printOwnTable(io: Io, { columns, rows }: Listing, text: string): void {
  const template = parseTemplate(text)
  const headings = new Map(columns)
  const header: Fields = Object.fromEntries(
    template.fields.map((field) => [field, headings.get(field) ?? field.toUpperCase()]),
  )
  const fields = [header, ...rows.map(({ plain }) => plain)]
  const cells = fields.map((row) => template.render(row).split('\t'))
  io.out(table(cells))
}

/**
 * `inspect`: a JSON list, or each object through the template, for which fields that an object may
 * lack are null.
 */
export function printObjects(
  io: Io,
  objects: readonly object[],
  { format, optional = [] }: { readonly format?: string; readonly optional?: readonly string[] },
): void {
  if (format === undefined) return io.out(`${JSON.stringify(objects, null, 4)}\n`)
  if (format === 'json') {
    for (const object of objects) io.out(`${JSON.stringify(object)}\n`)
    return
  }
  const template = parseTemplate(format)
  for (const object of objects) io.out(`${template.render(withNulls(object, optional))}\n`)
}

/** Not enumerable, so that the whole object is printed as it is. */
function withNulls(object: object, fields: readonly string[]): object {
  const filled = { ...object }
  for (const field of fields) {
    if (!Object.hasOwn(filled, field)) Object.defineProperty(filled, field, { value: null })
  }
  return filled
}
