import { bookingKey } from './bookings.ts'
import type { Capacity } from './capacity.ts'
import type { Demand } from './demand.ts'
import type { EngineSnapshot } from './facts.ts'
import { isKept } from './keeping.ts'
import type { Line } from './line.ts'
import type { Queues } from './queues.ts'

interface Known {
  readonly capacity: Capacity
  readonly demand: Pick<Demand, 'priced'>
  readonly line: Line
  readonly queues: Queues
}

/** Equal for engines that know the same, however they came to know it. */
export function snapshotOf({ capacity, demand, line, queues }: Known): EngineSnapshot {
  const { providers, spots, bookings, weights } = capacity
  const nodes = spots.values().flatMap(({ fact }) => (fact ? [fact] : []))
  const jobs = line.waiting.values().map(({ job }) => job)
  return {
    providers: sorted(providers.values(), ({ name }) => name),
    nodes: sorted(nodes, ({ provider, name }) => `${provider}/${name}`),
    waiting: sorted(jobs, ({ uid }) => uid),
    bookings: sorted(
      bookings.values().filter((one) => !isKept(one)),
      ({ uid, run }) => bookingKey(uid, run),
    ),
    queues: sorted(queues.facts.values(), ({ name }) => name),
    usages: sorted(queues.usages(), ({ name }) => name),
    weights,
    demand: demand.priced(),
  }
}

function sorted<Item>(items: Iterable<Item>, nameOf: (item: Item) => string): readonly Item[] {
  return [...items].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
