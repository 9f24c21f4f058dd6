/** The terminal, the environment and time, as a command sees them. */
export interface Io {
  out(text: string): void
  err(text: string): void
  /** One line that is not shown, from the terminal or a pipe; never from the arguments. */
  readSecret(prompt: string): Promise<string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Progress is drawn over itself only on a terminal. */
  readonly isTerminal: boolean
  readonly columns: number
  nowMs(): number
  /** Resolves after the pause, or at once when the user wants out. */
  pause(ms: number): Promise<void>
  /** From now on Ctrl-C ends the wait with a word about it instead of ending the process. */
  watchInterrupt(): AbortSignal
}
