type Line = Readonly<Record<string, unknown>>

const megabyte = 1_000_000
const doneWords = ['Pull complete', 'Already exists', 'Download complete']

/** Docker's lines about a transfer, one a layer and step, as one text for people. */
export class PullProgress {
  readonly #image: string
  readonly #layers = new Map<string, { current: number; total: number; isDone: boolean }>()

  constructor(image: string) {
    this.#image = image
  }

  add({ id, status, progressDetail }: Line): void {
    if (typeof id === 'string' && typeof status === 'string')
      this.#layer(id, status, progressDetail)
  }

  /** How it stands. */
  get text(): string {
    const layers = [...this.#layers.values()]
    const total = sum(layers.map((layer) => layer.total))
    const done = layers.filter((layer) => layer.isDone).length
    const start = `pulling ${this.#image}`
    if (layers.length === 0) return start
    const parts = `${start}: ${done} of ${layers.length} layers`
    if (total === 0) return parts
    return `${parts}, ${inMb(sum(layers.map((layer) => layer.current)))} of ${inMb(total)} MB`
  }

  #layer(id: string, status: string, detail: unknown): void {
    // The first line carries the tag as its id.
    if (status.startsWith('Pulling from') || status.startsWith('Digest')) return
    const before = this.#layers.get(id) ?? { current: 0, total: 0, isDone: false }
    const { current = before.current, total = before.total } =
      status === 'Downloading' ? numbers(detail) : {}
    const isDone = doneWords.includes(status)
    this.#layers.set(id, { current: isDone ? total : current, total, isDone })
  }
}

function numbers(detail: unknown): { current?: number; total?: number } {
  if (typeof detail !== 'object' || detail === null) return {}
  const { current, total } = detail as { current?: unknown; total?: unknown }
  return typeof current === 'number' && typeof total === 'number' ? { current, total } : {}
}

const sum = (numbersGiven: readonly number[]): number =>
  numbersGiven.reduce((total, each) => total + each, 0)

const inMb = (bytes: number): string => (bytes / megabyte).toFixed(1)
