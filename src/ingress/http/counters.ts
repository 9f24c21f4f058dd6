import {
  failureKinds,
  latencyBoundsMs,
  type FailureKind,
  type HttpCount,
} from '../../wire/ingress-counts.ts'

/** What has happened at a port, or at one task behind it. Numbers only: counting makes no objects. */
export class HttpCounters {
  requests = 0
  inFlight = 0
  retries = 0
  ejections = 0
  latencySumMs = 0
  /** By the first digit of the status: 1xx at 1, … 5xx at 5. */
  readonly statusClasses = new Float64Array(6)
  /** As many as bounds, and one: not cumulative. */
  readonly latencies = new Float64Array(latencyBoundsMs.length + 1)
  readonly failures = new Float64Array(failureKinds.length)

  answered(status: number, latencyMs: number): void {
    const at = Math.floor(status / 100)
    this.statusClasses[at] = (this.statusClasses[at] ?? 0) + 1
    this.latencySumMs += latencyMs
    let bucket = 0
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] ?? 0)) bucket++
    this.latencies[bucket] = (this.latencies[bucket] ?? 0) + 1
  }

  failed(kind: FailureKind): void {
    const at = failureKinds.indexOf(kind)
    this.failures[at] = (this.failures[at] ?? 0) + 1
  }

  /** A copy that can be sent to another thread. */
  count(): HttpCount {
    const { requests, inFlight, retries, ejections, latencySumMs } = this
    return {
      requests,
      inFlight,
      retries,
      ejections,
      latencySumMs,
      statusClasses: [...this.statusClasses],
      latencies: [...this.latencies],
      failures: [...this.failures],
    }
  }
}
