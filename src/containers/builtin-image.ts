/** The image that every node can run without a registry. */
export const whoamiImage = 'meshd/whoami:latest'

/** Whether a spec's image names it: without a tag, as `latest`, or pinned by a digest. */
export function isWhoami(image: string): boolean {
  const plain = image.replace(/@sha256:[0-9a-f]{64}$/, '')
  return plain === 'meshd/whoami' || plain === whoamiImage
}
