// The queues of the federation, and what each has used.
import type { QueueFact, QueueState, QueueUsage } from './facts.ts'

export interface Queues {
  readonly facts: ReadonlyMap<string, QueueFact>
  readonly usages: () => Iterable<QueueUsage>
  readonly setQueue: (fact: QueueFact) => void
  readonly removeQueue: (name: string) => void
  readonly setUsage: (usage: QueueUsage) => void
  /** By name. */
  readonly states: (nowMs: number) => readonly QueueState[]
}

export function createQueues(): Queues {
  const facts = new Map<string, QueueFact>()
  const usages = new Map<string, QueueUsage>()

  function stateOf({ name, parent }: QueueFact): QueueState {
    const averageShare = usages.get(name)?.share ?? 0
    const counts = { usage: {}, pending: {}, running: 0, borrowed: {}, lent: {} }
    return {
      name,
      ...(parent === undefined ? {} : { parent }),
      state: 'Active',
      share: 0,
      averageShare,
      fairShare: 0,
      ...counts,
    }
  }

  return {
    facts,
    usages: () => usages.values(),
    setQueue: (fact) => void facts.set(fact.name, fact),
    removeQueue: (name) => {
      facts.delete(name)
      usages.delete(name)
    },
    setUsage: (usage) => void usages.set(usage.name, usage),
    states: () => [...facts.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(stateOf),
  }
}
