import { rm, writeFile } from 'node:fs/promises'

/** This process's id in a file, for operators and supervisors, until disposed. */
export async function writePidFile(path: string): Promise<AsyncDisposable> {
  await writeFile(path, `${process.pid}\n`, { mode: 0o644 })
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
}
