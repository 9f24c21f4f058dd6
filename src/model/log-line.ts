/** What is asked of the log of a container. */
export interface LogQuery {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  /** So many of the last ones of each task; null: all. */
  readonly tail: number | null
  /** Both inclusive, written like `LogLine.at`. */
  readonly since: string | null
  readonly until: string | null
}

/** One message of a container; a line, unless it was too long for one message. */
export interface LogLine {
  /** RFC 3339 in UTC with nine decimals: in order as texts, too. */
  readonly at: string
  readonly stream: 'stdout' | 'stderr'
  /** What docker's `details` tells: `name=value` joined by commas. */
  readonly attributes: string
  /** With its line end, if it has one. */
  readonly text: Uint8Array
}
