import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { importTable, pureFolders, seesEverything } from './import-table.ts'

const root = join(import.meta.dirname, '../..')

interface SourceFile {
  readonly path: string
  readonly folder: string
  readonly text: string
}

const sources: readonly SourceFile[] = ['mesh', 'src'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(top, path))
    .map((path) => ({
      path,
      folder: path.split('/').slice(0, 2).join('/'),
      text: readFileSync(join(root, path), 'utf8'),
    })),
)

const importPattern =
  /^(?:import|export)\b[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm

function importsOf(file: SourceFile): string[] {
  return [...file.text.matchAll(importPattern)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  )
}

function folderOf(file: SourceFile, specifier: string): string {
  const target = relative(root, join(root, dirname(file.path), specifier))
  return target.split('/').slice(0, 2).join('/')
}

test('there are sources to look at', () => assert.ok(sources.length > 50))

test('every import follows the table', () => {
  const offences = sources
    .filter((file) => !seesEverything.includes(file.folder))
    .flatMap((file) => {
      const allowed = importTable[file.folder]
      if (allowed === undefined) return [`${file.path}: ${file.folder} is not in the table`]
      return importsOf(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => folderOf(file, specifier))
        .filter((folder) => folder !== file.folder && !allowed.includes(folder))
        .map((folder) => `${file.path} imports ${folder}`)
    })
  assert.deepEqual(offences, [])
})

test('the table has no edge that nobody uses', () => {
  const used = new Set(
    sources.flatMap((file) =>
      importsOf(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => `${file.folder} → ${folderOf(file, specifier)}`),
    ),
  )
  const edges = Object.entries(importTable).flatMap(([from, targets]) =>
    targets.map((to) => `${from} → ${to}`),
  )
  assert.deepEqual(
    edges.filter((edge) => !used.has(edge)),
    [],
  )
})

test('pure folders import nothing but pure folders', () => {
  const offences = sources
    .filter((file) => pureFolders.includes(file.folder))
    .flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('.') || !pureFolders.includes(folderOf(file, name)))
        .map((name) => `${file.path} imports ${name}`),
    )
  assert.deepEqual(offences, [])
})

test('mesh knows nothing of src', () => {
  const offences = sources.filter(
    (file) =>
      file.path.startsWith('mesh/') &&
      importsOf(file).some(
        (name) => name.startsWith('.') && folderOf(file, name).startsWith('src/'),
      ),
  )
  assert.deepEqual(offences, [])
})

test('files are small, in kebab case, and no barrels', () => {
  for (const { path, text } of sources) {
    assert.ok(text.split('\n').length <= 401, `${path} is longer than 400 lines`)
    assert.match(path, /^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)+[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/)
    assert.ok(!path.endsWith('/index.ts'), `${path} is a barrel`)
  }
})

test('nothing unfinished is left behind', () => {
  // In brackets, so that this file does not find itself.
  const marks = /TO[D]O|FIX[M]E|XX[X]/
  const offences = sources.filter((file) => marks.test(file.text)).map((file) => file.path)
  assert.deepEqual(offences, [])
})
