import { bookingKey, type Capacity } from './capacity.ts'
import type { EngineSnapshot } from './facts.ts'
import type { Line } from './line.ts'

/** Equal for engines that know the same, however they came to know it. */
export function snapshotOf({ providers, spots, bookings }: Capacity, { waiting }: Line): EngineSnapshot {
  const nodes = spots.values().flatMap(({ fact }) => (fact ? [fact] : []))
  const jobs = waiting.values().map(({ job }) => job)
  return {
    providers: sorted(providers.values(), ({ name }) => name),
    nodes: sorted(nodes, ({ provider, name }) => `${provider}/${name}`),
    waiting: sorted(jobs, ({ uid }) => uid),
    bookings: sorted(bookings.values(), ({ uid, run }) => bookingKey(uid, run)),
  }
}

function sorted<Item>(items: Iterable<Item>, nameOf: (item: Item) => string): readonly Item[] {
  return [...items].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
