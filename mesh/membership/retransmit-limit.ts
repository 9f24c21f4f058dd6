/** How often each member repeats a rumour, so that all hear it with high probability. */
export function retransmitLimit(mult: number, members: number): number {
  return mult * Math.ceil(Math.log10(members + 1))
}
