const prime = 0x01000193
const basis = 0x811c9dc5

/** FNV-1a over bytes: to compare, not to protect. */
export function digestOf(bytes: Uint8Array, seed: number = basis): number {
  let hash = seed
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] as number), prime)
  return hash >>> 0
}

export function digestOfText(text: string, seed: number = basis): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), prime)
  return hash >>> 0
}

/** All that happened in a run, in one number: two runs of a seed must agree in it. */
export class Trace {
  #hash = basis
  events = 0

  note(text: string): void {
    this.events++
    this.#hash = digestOfText(text, this.#hash)
  }

  mix(...numbers: readonly number[]): void {
    for (const number of numbers) this.#hash = Math.imul(this.#hash ^ Math.floor(number), prime)
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }
}
