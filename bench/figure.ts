/** One number that we claim, as it was measured. */
export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What the number must not be worse than; without one it is only shown. */
  readonly must?: { readonly atMost: number } | { readonly atLeast: number }
  /** How the samples lie around it, and what else explains it. */
  readonly spread?: string
}

export function isMissed({ value, must }: Figure): boolean {
  if (must === undefined) return false
  return 'atMost' in must ? !(value <= must.atMost) : !(value >= must.atLeast)
}

export function describeFigure(figure: Figure): string {
  const { what, value, unit, must, spread } = figure
  const words = [`${what}: ${rounded(value)} ${unit}`]
  if (must !== undefined) {
    const limit = 'atMost' in must ? `≤ ${must.atMost}` : `≥ ${must.atLeast}`
    words.push(`must be ${limit}: ${isMissed(figure) ? 'MISSED' : 'held'}`)
  }
  if (spread !== undefined) words.push(spread)
  return words.join('; ')
}

/** The sample that `fraction` of all samples do not exceed. */
export function quantile(samples: readonly number[], fraction: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = Math.max(0, Math.ceil(fraction * sorted.length) - 1)
  return sorted[at] ?? Number.NaN
}

export function describeSpread(samples: readonly number[]): string {
  const [low, mid, high] = [0, 0.5, 1].map((fraction) => rounded(quantile(samples, fraction)))
  return `${samples.length} samples, ${low} … ${mid} … ${high}`
}

export function rounded(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits)
}
