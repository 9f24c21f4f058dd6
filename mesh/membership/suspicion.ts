export interface Suspicion {
  readonly confirmations: number
  readonly confirmationsNeeded: number
  readonly minMs: number
  readonly maxMs: number
}

/** How long a suspect may stay silent: long while we alone accuse it, short once others agree. */
export function suspicionTimeoutMs(given: Suspicion): number {
  const { confirmations, confirmationsNeeded, minMs, maxMs } = given
  if (confirmationsNeeded === 0) return minMs
  const agreement = Math.log(confirmations + 1) / Math.log(confirmationsNeeded + 1)
  return Math.max(minMs, Math.floor(maxMs - agreement * (maxMs - minMs)))
}

export interface SuspicionBase {
  readonly mult: number
  readonly probePeriodMs: number
  readonly members: number
}

/**
 * The time that a refutation needs to get around. It grows with the logarithm of the cluster, but only
 * above a hundred members: below, enough members probe the suspect at once, tell it what is said of
 * it, and hear its answer themselves.
 */
export function suspicionMinMs({ mult, probePeriodMs, members }: SuspicionBase): number {
  return Math.ceil(mult * probePeriodMs * Math.max(1, Math.log10(members) - 1))
}
