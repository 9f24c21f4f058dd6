/** A promise that was broken. */
export interface Violation {
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

export type Report = (rule: string, what: string) => void
