/** One kind of number, as Prometheus reads it. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly samples: readonly Sample[]
}

export interface Sample {
  /** Of a histogram: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string
  readonly labels?: Labels
  readonly value: number
}

export type Labels = Readonly<Record<string, string>>

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** Metrics of which there is nothing to tell are left out. */
export const expose = (metrics: readonly Metric[]): string =>
  metrics
    .filter(({ samples }) => samples.length > 0)
    .map(describe)
    .join('')

function describe({ name, help, type, samples }: Metric): string {
  const lines = samples.map(
    ({ suffix = '', labels = {}, value }) => `${name}${suffix}${labelsOf(labels)} ${value}\n`,
  )
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function labelsOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escape = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** `counts` has one more than `bounds`, and is not cumulative; Prometheus wants it to be. */
export function histogram(
  labels: Labels,
  given: {
    readonly bounds: readonly number[]
    readonly counts: readonly number[]
    readonly sum: number
  },
): Sample[] {
  let count = 0
  const buckets = given.counts.map((each, at): Sample => {
    count += each
    const le = String(given.bounds[at] ?? '+Inf')
    return { suffix: '_bucket', labels: { ...labels, le }, value: count }
  })
  return [
    ...buckets,
    { suffix: '_sum', labels, value: given.sum },
    { suffix: '_count', labels, value: count },
  ]
}
