// The numbers of all queues. A count is a pass over all that waits and runs, so all who ask within some seconds get the same.
import type { QueueState } from '../../domain/scheduling/facts.ts'
import type { Clock } from '../clock.ts'

/** The status of each queue is written once a minute: each asks at another moment. */
const keptMs = 5000

export class QueueCounts {
  readonly #count: (nowMs: number) => readonly QueueState[]
  readonly #clock: Clock
  #known: { readonly queues: ReadonlyMap<string, QueueState>; readonly bootMs: number } | undefined

  constructor(count: (nowMs: number) => readonly QueueState[], clock: Clock) {
    this.#count = count
    this.#clock = clock
  }

  /** By name. */
  now(): ReadonlyMap<string, QueueState> {
    const bootMs = this.#clock.boot()
    if (!this.#known || bootMs - this.#known.bootMs >= keptMs) {
      const queues = new Map(this.#count(this.#clock.now()).map((state) => [state.name, state]))
      this.#known = { queues, bootMs }
    }
    return this.#known.queues
  }

  /** The queues are others than before: that is said of them at once. */
  forget(): void {
    this.#known = undefined
  }
}
