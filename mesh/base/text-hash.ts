/** Where FNV-1a begins; another beginning makes another hash. */
const fnvBasis = 0x811c9dc5

/** FNV-1a with a last stir, 32 bits: for comparing and spreading, not against anybody who wants to deceive. */
export function hash32(text: string, basis: number = fnvBasis): number {
  let hash = basis
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
