/** Limits of what one node may say, and how long what is over is remembered. */
export interface DiscoveryOptions {
  readonly maxRecordsPerNode: number
  readonly maxKeyBytes: number
  /** Of a value as JSON. */
  readonly maxValueBytes: number
  /** All that one node says fits into one answer, so that it is never told in part. */
  readonly maxBytesPerNode: number
  /** How long a withdrawal is told; who was away for longer gets the whole set again. */
  readonly tombstoneMs: number
  /**
   * How long what a node said before it restarted stands beside what it says since: tasks that it
   * finds again must not vanish from the routes meanwhile.
   */
  readonly restartGraceMs: number
  /** Stretches of versions that are held out of order, per node. */
  readonly maxGaps: number
}

export const discoveryDefaults: DiscoveryOptions = {
  maxRecordsPerNode: 2048,
  maxKeyBytes: 256,
  maxValueBytes: 16 * 1024,
  maxBytesPerNode: 512 * 1024,
  tombstoneMs: 60_000,
  restartGraceMs: 2000,
  maxGaps: 32,
}
