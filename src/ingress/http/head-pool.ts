import { RequestHead } from './request-head.ts'
import { ResponseHead } from './response-head.ts'

const spareMax = 64

/** Heads are in use only while one is being read: a few are enough for all connections. */
export class HeadPool {
  readonly #requests: RequestHead[] = []
  readonly #responses: ResponseHead[] = []

  takeRequest(): RequestHead {
    return this.#requests.pop() ?? new RequestHead()
  }

  giveRequest(head: RequestHead): void {
    if (this.#requests.length < spareMax) this.#requests.push(head)
  }

  takeResponse(): ResponseHead {
    return this.#responses.pop() ?? new ResponseHead()
  }

  giveResponse(head: ResponseHead): void {
    if (this.#responses.length < spareMax) this.#responses.push(head)
  }
}
