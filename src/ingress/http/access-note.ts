import type { Listener } from '../../routing/route-table.ts'
import type { Exchange } from './exchange.ts'
import type { HttpPort } from './http-port.ts'
import type { RequestHead } from './request-head.ts'

const pathBytesMax = 512
const questionMark = 0x3f

/** Of a client's connection: what the access log is to say of the request that is under way. */
export class AccessNote {
  readonly #port: HttpPort
  readonly #exchange: Exchange
  readonly #client: string
  /** Null while there is no request, or none that is told. */
  #begun: { readonly requestId: string; readonly service: string } | null = null
  #method = ''
  #path = ''
  #hasExchange = false
  #status = 0
  #startedMs = 0
  #answeredAfterMs: number | null = null

  constructor(port: HttpPort, exchange: Exchange, client: string) {
    this.#port = port
    this.#exchange = exchange
    this.#client = client
  }

  /** Without a head when it was malformed, or did not come. */
  begin(requestId: string, { options, serviceName }: Listener, head: RequestHead | null): void {
    const { random, clock } = this.#port.deps
    const every = options.accessLogEvery
    const isTold = every !== null && random.below(every) === 0
    this.#begun = isTold ? { requestId, service: serviceName } : null
    if (!isTold) return
    this.#method = head === null ? '' : textOf(head, head.methodFrom, head.methodTo)
    this.#path = head === null ? '' : pathOf(head)
    this.#hasExchange = false
    this.#status = 0
    this.#startedMs = clock.monotonicMs()
    this.#answeredAfterMs = null
  }

  /** It was passed on: bodies and the task are those of the exchange. */
  passedOn(): void {
    this.#hasExchange = true
  }

  answered(status: number): void {
    if (this.#begun === null) return
    this.#status = status
    this.#answeredAfterMs = this.#sinceMs()
  }

  end(isWhole: boolean): void {
    const begun = this.#begun
    if (begun === null) return
    this.#begun = null
    const durationMs = this.#sinceMs()
    const { body, answerBytes, backend } = this.#exchange
    const asked = this.#hasExchange ? backend : null
    this.#port.deps.accessLog.add({
      startedAtMs: this.#port.deps.clock.nowMs() - durationMs,
      ...begun,
      port: this.#port.port,
      client: this.#client,
      method: this.#method,
      path: this.#path,
      status: this.#status,
      bytesIn: this.#hasExchange ? body.dataBytes : 0,
      bytesOut: this.#hasExchange ? answerBytes : 0,
      answeredAfterMs: this.#answeredAfterMs,
      durationMs,
      task: asked?.task ?? null,
      taskNode: asked?.node ?? null,
      isWhole,
    })
  }

  #sinceMs(): number {
    return Math.round((this.#port.deps.clock.monotonicMs() - this.#startedMs) * 10) / 10
  }
}

function pathOf(head: RequestHead): string {
  const { bytes } = head.fields
  const mark = bytes.subarray(head.targetFrom, head.targetTo).indexOf(questionMark)
  const to = mark < 0 ? head.targetTo : head.targetFrom + mark
  const path = textOf(head, head.targetFrom, Math.min(to, head.targetFrom + pathBytesMax))
  return to - head.targetFrom > pathBytesMax ? `${path}…` : path || '/'
}

const textOf = ({ fields }: RequestHead, from: number, to: number): string =>
  Buffer.from(fields.bytes.subarray(from, to)).toString('latin1')
