/** Bytes that may be kept: a copy, when keeping them would keep a memory more than twice as large. */
export function compact(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes
}
