import { countLimits, type IngressCounts } from '../../wire/ingress-counts.ts'
import { NamedFew } from './named-few.ts'
import { closedCounts, sumById, type Counted } from './sum-counts.ts'

/** Sums what the workers report, those that died included. */
export class Tally {
  readonly #ports = new Ledger<IngressCounts['ports'][number]>(countLimits.ports)
  readonly #tasks = new Ledger<IngressCounts['tasks'][number]>(countLimits.tasks)
  readonly #http = new Ledger<IngressCounts['http'][number]>(countLimits.http)
  readonly #httpTasks = new Ledger<IngressCounts['httpTasks'][number]>(countLimits.httpTasks)
  readonly #peers = new Ledger<IngressCounts['peers'][number]>(countLimits.peers)

  report(worker: object, counts: IngressCounts): void {
    this.#ports.report(worker, counts.ports)
    this.#tasks.report(worker, counts.tasks)
    this.#http.report(worker, counts.http)
    this.#httpTasks.report(worker, counts.httpTasks)
    this.#peers.report(worker, counts.peers)
  }

  /** The worker is gone, with all its connections; what it has carried still counts. */
  retire(worker: object): void {
    const ledgers = [this.#ports, this.#tasks, this.#http, this.#httpTasks, this.#peers]
    for (const ledger of ledgers) ledger.retire(worker)
  }

  sum(): IngressCounts {
    return {
      ports: this.#ports.sum(),
      tasks: this.#tasks.sum(),
      http: this.#http.sum(),
      httpTasks: this.#httpTasks.sum(),
      peers: this.#peers.sum(),
    }
  }
}

/** Of one kind of count. */
class Ledger<Count extends Counted> {
  readonly #reports = new Map<object, readonly Count[]>()
  readonly #few: NamedFew<Count>
  #retired: readonly Count[] = []

  constructor(limit: number) {
    this.#few = new NamedFew(limit)
  }

  report(worker: object, counts: readonly Count[]): void {
    this.#reports.set(worker, counts)
  }

  retire(worker: object): void {
    const last = this.#reports.get(worker) ?? []
    this.#reports.delete(worker)
    this.#retired = sumById([...this.#retired, ...last.map(closedCounts)])
  }

  /** Ids that no worker knows any more are left out. */
  sum(): Count[] {
    const living = [...this.#reports.values()].flat()
    const known = new Set(living.map(({ id }) => id))
    this.#retired = this.#retired.filter(({ id }) => known.has(id))
    return this.#few.tell(sumById([...living, ...this.#retired]))
  }
}
