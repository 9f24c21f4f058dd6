import { createReadStream, statSync } from 'node:fs'
import { MeshError } from '../../mesh/base/mesh-error.ts'

export interface ArchiveFile {
  /** Inside the archive, without a leading slash. */
  readonly path: string
  readonly content: { readonly file: string } | { readonly bytes: Buffer }
  readonly isExecutable: boolean
}

const blockBytes = 512

/** A tar archive (POSIX ustar) of regular files owned by root, as a stream of chunks. */
export async function* ustar(files: readonly ArchiveFile[]): AsyncGenerator<Buffer> {
  for (const { path, content, isExecutable } of files) {
    // What a link points to, under the link's own name: an archive of plain files needs no more.
    const size = 'file' in content ? statSync(content.file).size : content.bytes.length
    yield header(path, { size, mode: isExecutable ? 0o755 : 0o644 })
    if ('file' in content) yield* createReadStream(content.file, { end: size - 1 })
    else yield content.bytes
    yield Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)
  }
  yield Buffer.alloc(2 * blockBytes)
}

function header(path: string, { size, mode }: { size: number; mode: number }): Buffer {
  const { name, prefix } = split(path)
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, width: number): void => {
    block.write(value.toString(8).padStart(width - 1, '0'), at)
  }
  block.write(name, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  block.write(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  octal(sum, 148, 7)
  return block
}

/** A path of up to 255 bytes, cut at a slash so that both halves fit their fields. */
function split(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' }
  const at = path.indexOf('/', path.length - 101)
  const name = path.slice(at + 1)
  const prefix = path.slice(0, at)
  if (at < 0 || Buffer.byteLength(prefix) > 155 || Buffer.byteLength(name) > 100) {
    throw new MeshError({ code: 'engine/path-too-long', path })
  }
  return { name, prefix }
}
