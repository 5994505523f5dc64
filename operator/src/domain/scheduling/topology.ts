// Which nodes lie together: of one provider, in one rack or one zone.
import type { JobFact, NodeFact, Topology } from './facts.ts'

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
