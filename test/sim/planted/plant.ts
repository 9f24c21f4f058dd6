import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { PlantedBug } from './planted-bug.ts'

const root = join(import.meta.dirname, '../../..')
const copied = ['mesh', 'test/sim', 'test/support', 'test/mesh/node', 'package.json']

/** What a search in the sources with the bug came to. */
export interface Hunt {
  readonly failedSeeds: readonly number[]
  readonly rules: readonly string[]
  readonly failedAtCpuSeconds: readonly number[]
  readonly cpuSeconds: number
  readonly seeds: number
}

export interface HuntOptions {
  readonly failuresWanted: number
  readonly cpuSeconds: number
}

/** Looks for the bug, planted in a copy of the sources, from seed 1 on. */
export async function hunt(bug: PlantedBug, options: HuntOptions): Promise<Hunt> {
  const folder = await mkdtemp(join(tmpdir(), 'meshd-planted-'))
  try {
    for (const path of copied) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await cp(join(root, path), join(folder, path), { recursive: true })
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await plant(bug, folder)
    return await search(folder, options)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Fails when the text is not there, or more than once: then the bug must be planted anew. */
export async function plant({ name, file, find, replace }: PlantedBug, at: string): Promise<void> {
  const path = join(at, file)
  const parts = (await readFile(path, 'utf8')).split(find)
  if (parts.length !== 2) throw new Error(`"${name}" does not apply to ${file} any more`)
  await writeFile(path, parts.join(replace))
}

async function search(folder: string, options: HuntOptions): Promise<Hunt> {
  const script = join(folder, 'test/sim/planted/hunter.ts')
  const words = [script, String(options.failuresWanted), String(options.cpuSeconds)]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  return JSON.parse(output) as Hunt
}
