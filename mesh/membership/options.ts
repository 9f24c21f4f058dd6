/** Everything in membership that is a number. Times are milliseconds at local health 0. */
export interface MembershipOptions {
  readonly probePeriodMs: number
  /** How long a direct ping may take before others are asked to try. */
  readonly probeTimeoutMs: number
  /** Members asked to ping in our stead, and how long they wait before they say that they failed, too. */
  readonly indirectProbes: number
  readonly nackAfterMs: number
  /** Shortest suspicion, in probe periods; the longest is `suspicionMaxMult` times as long. */
  readonly suspicionMult: number
  readonly suspicionMaxMult: number
  /** Other accusers that bring a suspicion down to its shortest. */
  readonly confirmationsWanted: number
  /** Suspicion of a member whose machine refused both our ping and our redial: its process is gone. */
  readonly refusedSuspicionMs: number
  /** About so many members a period look after the same suspect, however large the cluster. */
  readonly suspectProbers: number
  readonly gossipPeriodMs: number
  readonly gossipFanout: number
  readonly retransmitMult: number
  /** Probes in a row that only the stream answered, after which packets count as blocked. */
  readonly udpBlockedAfter: number
  /** How often one of the dead is asked whether it is back: what heals a partition. */
  readonly reconnectPeriodMs: number
  /** A tick this late means that this process stood still, and no one else is to blame. */
  readonly stallToleranceMs: number
  /** One above the worst score; every wait is stretched by `score + 1`. */
  readonly healthLevels: number
  /** Probes and relayed probes under way at a time. */
  readonly maxProbes: number
  readonly maxMembers: number
  readonly maxRumours: number
  readonly maxBanned: number
  /** A message never encodes to more. */
  readonly maxPayloadBytes: number
}

/** For machines that reach each other within a few milliseconds: dead within 2.5 s of silence. */
export const lanDefaults: MembershipOptions = {
  probePeriodMs: 400,
  probeTimeoutMs: 200,
  indirectProbes: 3,
  nackAfterMs: 150,
  suspicionMult: 3,
  suspicionMaxMult: 6,
  confirmationsWanted: 2,
  refusedSuspicionMs: 300,
  suspectProbers: 8,
  gossipPeriodMs: 100,
  gossipFanout: 3,
  retransmitMult: 4,
  udpBlockedAfter: 6,
  reconnectPeriodMs: 2000,
  stallToleranceMs: 300,
  healthLevels: 8,
  maxProbes: 64,
  maxMembers: 1024,
  maxRumours: 1024,
  maxBanned: 1024,
  maxPayloadBytes: 1150,
}
