import type { TrafficOf } from '../wire/ingress-message.ts'
import { sumTraffic } from './traffic.ts'

export interface TrafficReport {
  readonly services: readonly TrafficOf[]
  readonly tasks: readonly TrafficOf[]
}

const nothing: TrafficReport = { services: [], tasks: [] }

/** Sums what the workers report, those that died included. */
export class Tally {
  readonly #reports = new Map<object, TrafficReport>()
  #retired: TrafficReport = nothing

  report(worker: object, report: TrafficReport): void {
    this.#reports.set(worker, report)
  }

  /** The worker is gone, with all its connections; what it has carried still counts. */
  retire(worker: object): void {
    const last = this.#reports.get(worker)
    if (last === undefined) return
    this.#reports.delete(worker)
    const closed = {
      services: last.services.map(closedTraffic),
      tasks: last.tasks.map(closedTraffic),
    }
    this.#retired = sum([this.#retired, closed])
  }

  /** Ids that no worker knows any more are left out. */
  sum(): TrafficReport {
    const living = sum([...this.#reports.values()])
    const known = new Set([...living.services, ...living.tasks].map((traffic) => traffic.id))
    const isKnown = (traffic: TrafficOf): boolean => known.has(traffic.id)
    this.#retired = {
      services: this.#retired.services.filter(isKnown),
      tasks: this.#retired.tasks.filter(isKnown),
    }
    return sum([living, this.#retired])
  }
}

function sum(reports: readonly TrafficReport[]): TrafficReport {
  return {
    services: sumById(reports.flatMap((report) => report.services)),
    tasks: sumById(reports.flatMap((report) => report.tasks)),
  }
}

function sumById(traffic: readonly TrafficOf[]): TrafficOf[] {
  const byId = Map.groupBy(traffic, (each) => each.id)
  return [...byId].map(([id, counts]) => ({ id, ...sumTraffic(counts) }))
}

const closedTraffic = (traffic: TrafficOf): TrafficOf => ({ ...traffic, open: 0 })
