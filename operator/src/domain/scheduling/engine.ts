import type { Booking, Decision, EngineSnapshot, Explanation, JobFact, NodeFact, ProviderFact } from './facts.ts'

/**
 * Decides which waiting job starts where. Deterministic, in memory, no clock: the same facts in any
 * order give the same decisions. A fact costs its own size, not the size of the federation.
 */
export interface Engine {
  setProvider(fact: ProviderFact): void
  /** Its nodes stay known and are offered to nobody. */
  removeProvider(name: string): void
  setNode(fact: NodeFact): void
  removeNode(provider: string, name: string): void
  /** Puts a job in line, or replaces what is known of it. A run that is booked already does not wait. */
  wait(job: JobFact): void
  withdraw(uid: string): void
  /** Replaces an earlier booking of the same uid and run, and takes that run out of the line. */
  book(booking: Booking): void
  /** Frees the booking; the job is put in line again only by `wait`. */
  release(uid: string, run: number): void
  /** Highest priority first, then oldest; each is booked before the next is tried, and leaves the line. */
  decide(limit?: number): readonly Decision[]
  /** Undefined for a job that does not wait. Costs a pass over the nodes. */
  explain(uid: string): Explanation | undefined
  snapshot(): EngineSnapshot
}
