import type { Spot } from './spot.ts'
import { xorshift } from './xorshift.ts'

/** The nodes that facts or bookings speak of, by provider and name: a key of both would have to be built for each look. */
export interface Spots {
  readonly get: (provider: string, name: string) => Spot | undefined
  readonly values: () => IteratorObject<Spot>
  readonly count: () => number
  /** A new one, where nobody has spoken of it yet. */
  readonly at: (provider: string, name: string) => Spot
  readonly delete: (spot: Spot) => void
}

export function createSpots(newSpot: (provider: string, name: string, rank: number) => Spot): Spots {
  const byProvider = new Map<string, Map<string, Spot>>()
  // For the trees: the same in every engine, and nobody outside chooses them.
  const nextRank = xorshift(0x9e3779b9)
  let count = 0

  function at(provider: string, name: string): Spot {
    const known = byProvider.get(provider)
    const spots = known ?? new Map<string, Spot>()
    if (!known) byProvider.set(provider, spots)
    const spot = spots.get(name)
    if (spot) return spot
    const created = newSpot(provider, name, nextRank())
    spots.set(name, created)
    count += 1
    return created
  }

  return {
    get: (provider, name) => byProvider.get(provider)?.get(name),
    count: () => count,
    values: () => byProvider.values().flatMap((spots) => spots.values()),
    at,
    delete: ({ provider, name }) => {
      const spots = byProvider.get(provider)
      if (spots?.delete(name)) count -= 1
      if (spots?.size === 0) byProvider.delete(provider)
    },
  }
}
