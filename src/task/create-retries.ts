/** Then another node may try: what this one cannot reach, that one can, perhaps. */
const maxRetries = 4
const firstDelayMs = 1_000

/** How long to wait before the creation of a container is tried again; null when it was enough. */
export const createRetryDelayMs = (failures: number): number | null =>
  failures > maxRetries ? null : firstDelayMs * 2 ** (failures - 1)
