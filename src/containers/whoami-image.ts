import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { whoamiImage } from './builtin-image.ts'
import { type ArchiveFile, ustar } from './ustar.ts'

const sources = ['whoami.ts', 'proxy-preface.ts']
const digestLabel = 'mesh.whoami'

/** Whether an image was made from these sources and this Node. */
export const isWhoamiCurrent = (labels: Readonly<Record<string, string>>): boolean =>
  labels[digestLabel] === sourceDigest()

/**
 * Makes `meshd/whoami` without a registry: the Node that runs us, the libraries that it needs, and
 * two source files. Resolves with Docker's progress.
 */
export async function buildWhoamiImage(
  docker: Docker,
  abortSignal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const [repo = '', tag = ''] = whoamiImage.split(':')
  const changes = [
    'ENTRYPOINT ["/usr/bin/node", "/whoami/whoami.ts"]',
    'ENV PATH=/usr/bin',
    'EXPOSE 80',
    `LABEL ${digestLabel}=${sourceDigest()}`,
  ]
  const options = { repo, tag, changes, abortSignal }
  return docker.importImage(Readable.from(ustar(imageFiles()), { objectMode: false }), options)
}

function imageFiles(): ArchiveFile[] {
  const manifest = Buffer.from(JSON.stringify({ type: 'module' }))
  return [
    { path: 'usr/bin/node', content: { file: process.execPath }, isExecutable: true },
    ...sharedLibraries().map((path) => ({
      path: path.slice(1),
      content: { file: path },
      isExecutable: true,
    })),
    ...sources.map((name) => ({
      path: `whoami/${name}`,
      content: { file: join(import.meta.dirname, name) },
      isExecutable: false,
    })),
    { path: 'whoami/package.json', content: { bytes: manifest }, isExecutable: false },
  ]
}

/** What the dynamic linker loaded for this process, itself included; not what packages loaded. */
function sharedLibraries(): string[] {
  // Else it would look up the name of every peer, and wait for that.
  const reporter: { excludeNetwork?: boolean; getReport(): object } = process.report
  reporter.excludeNetwork = true
  const { sharedObjects = [] } = reporter.getReport() as { sharedObjects?: readonly string[] }
  return sharedObjects
    .filter((path) => path.startsWith('/') && !path.endsWith('.node') && existsSync(path))
    .filter((path) => /\.so(\.|$)/.test(basename(path)))
}

let digest: string | null = null

function sourceDigest(): string {
  if (digest !== null) return digest
  const hash = createHash('sha256').update(process.version)
  for (const name of sources) hash.update(readFileSync(join(import.meta.dirname, name)))
  digest = hash.digest('hex').slice(0, 32)
  return digest
}
