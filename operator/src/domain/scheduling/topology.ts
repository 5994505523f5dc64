// Which nodes lie together: of one provider, in one rack or one zone.
import type { JobFact, NodeFact, Topology } from './facts.ts'
import type { Preference } from './scores.ts'
import type { Pool, Spot } from './spot.ts'
import { findRoom, type Share } from './spot-tree.ts'

export type Within = Topology['within']

/** The same for nodes of one provider that lie together. Where a node does not say where it lies, it lies with no other. */
export function domainOf(
  { name, topology: { rack, zone } = {} }: Pick<NodeFact, 'name' | 'topology'>,
  within: Within,
): string {
  // Racks of two zones may have the same name.
  if (within === 'Rack' && rack !== undefined) return `${zone ?? ''}/${rack}`
  if (within === 'Zone' && zone !== undefined) return zone
  return `/${name}`
}

const wider: Readonly<Record<Within, readonly (Within | undefined)[]>> = {
  Node: ['Node', 'Rack', 'Zone', undefined],
  Rack: ['Rack', 'Zone', undefined],
  Zone: ['Zone', undefined],
}

/** How close together its workers may be looked for, one after the other; `undefined`: anywhere at one provider. */
export function reachesOf({ workers, topology }: JobFact): readonly (Within | undefined)[] {
  if (!topology || workers === 1) return [undefined]
  return topology.rule === 'Required' ? [topology.within] : wider[topology.within]
}

/** What a gang needs of each of its nodes, which have to lie together. */
export interface SharesTogether extends Share {
  readonly nodes: number
  readonly order: readonly Preference[]
  readonly within: Within
}

interface Together {
  readonly spots: Spot[]
  cost: number
}

/** The nodes of the domain where they cost least, found in one walk over all that have room; ties by the names of the nodes. */
export function findTogether(pools: readonly Pool[], shares: SharesTogether): Together | undefined {
  const domains = new Map<string, Together>()
  for (const { bucket, cost } of shares.order) {
    const found: Spot[] = []
    for (const { buckets } of pools) findRoom(buckets[bucket], shares, { found, wanted: Infinity })
    for (const spot of found.toSorted(byName)) {
      const domain = spot.fact && domainOf(spot.fact, shares.within)
      if (domain !== undefined) add(domains, domain, { spot, cost, most: shares.nodes })
    }
  }
  return [...domains.values()].filter(({ spots }) => spots.length === shares.nodes).toSorted(cheapest)[0]
}

function add(
  domains: Map<string, Together>,
  domain: string,
  { spot, cost, most }: { readonly spot: Spot; readonly cost: number; readonly most: number },
): void {
  const known = domains.get(domain) ?? { spots: [], cost: 0 }
  if (known.spots.length === most) return
  known.spots.push(spot)
  known.cost += cost
  domains.set(domain, known)
}

function cheapest(a: Together, b: Together): number {
  return a.cost - b.cost || (namesOf(a) < namesOf(b) ? -1 : 1)
}

/** A name of a node has no `/`, and `.` and `-` are the only characters of one that come before it: so compare as lists do. */
function namesOf({ spots }: Together): string {
  return spots
    .map(({ name }) => name)
    .toSorted()
    .join('\u0000')
}

function byName(a: Spot, b: Spot): number {
  return a.name < b.name ? -1 : Number(a.name > b.name)
}
