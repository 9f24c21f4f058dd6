import { readFileSync } from 'node:fs'

/**
 * The product's version when this process started: an ingress of another one is replaced, since
 * only equals are sure to understand each other.
 */
export const ingressVersion: string = readVersion()

function readVersion(): string {
  const path = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }
  return version
}
