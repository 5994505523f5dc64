// Why a job waits: each node under the first filter that it failed.
import type { Capacity } from './capacity.ts'
import type { Explanation, JobFact, NodeFact, ProviderFact, Room } from './facts.ts'
import { capacityOf, firstReason, gpuFilters, nodeFilters, roomFilters, stateFilters } from './filters.ts'
import { isDivided } from './gpu-state.ts'
import { splitsOf } from './placement.ts'
import type { Reason } from './reasons.ts'
import { dust, isFraction, partsOf, takenOn } from './sharing.ts'
import { freeFor, type Spot } from './spot.ts'
import { stockKey } from './stocks.ts'
import { domainOf } from './topology.ts'

/** How many workers each node of a group could take. */
type Slots = Map<string, number[]>

/** By stock, and by what of it lies together as closely as the job requires. */
interface Groups {
  readonly apart: Slots
  readonly together: Slots
}

type Known = Pick<Capacity, 'providers'> & { readonly spots: { readonly values: () => Iterable<Spot> } }

/**
 * @param known the federation, or a part of it: then it speaks of that part.
 * @param refusal why the job's queue lets it have nothing of a model.
 */
export function explainWait(
  job: JobFact,
  { providers, spots }: Known,
  refusal: (model: string) => Reason | undefined,
): Explanation {
  const counts = new Map<Reason, number>()
  const whenEmpty = noGroups()
  const now = noGroups()
  for (const spot of spots.values()) {
    if (!spot.fact) continue
    const node = spot.fact
    const provider = providers.get(spot.provider) ?? unknown(spot.provider)
    const lasting = lastingReason(job, node, provider)
    const free = freeFor(spot, job.perWorker.gpus)
    if (!lasting) addSlots(job, whenEmpty, { node, count: slots(job, node, emptyFor(job, node)) })
    const reason = lasting ?? stateReason(job, provider) ?? refusal(node.model) ?? roomReason(job, node, free)
    if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1)
    else addSlots(job, now, { node, count: slots(job, node, free) })
  }

  const usable = [...now.apart.values()].flat().length
  if (usable > 0 && !fits(job, now.apart)) counts.set('GangDoesNotFit', usable)
  else if (usable > 0 && !fits(job, now.together)) counts.set('TopologyDoesNotFit', usable)
  if (counts.size === 0 && usable === 0) counts.set('NoNodes', 0)
  return { verdict: fits(job, whenEmpty.together) ? 'Waits' : 'NeverFits', reasons: mostFrequentFirst(counts) }
}

/** What such workers could have of it if it were empty. */
function emptyFor({ perWorker: { gpus } }: JobFact, node: NodeFact): Room {
  const room = capacityOf(node)
  const { slices = 1 } = node
  if (!isDivided(node) || !isFraction(gpus)) return room
  const each = partsOf(gpus, slices)
  return { ...room, gpus: (room.gpus * Math.floor(slices / each) * each) / slices }
}

function lastingReason(job: JobFact, node: NodeFact, provider: ProviderFact): Reason | undefined {
  return firstReason(gpuFilters, job, { ...node, provider }) ?? firstReason(nodeFilters, job, { node, provider })
}

function stateReason(job: JobFact, provider: ProviderFact): Reason | undefined {
  return firstReason(stateFilters, job, { provider })
}

function roomReason(job: JobFact, node: NodeFact, free: Room): Reason | undefined {
  return firstReason(roomFilters, { ...job, perWorker: takenOn(node, job.perWorker) }, { free })
}

/** A provider that nobody has named: it may yet turn out to be one. */
export function unknown(name: string): ProviderFact {
  return { name, labels: {}, state: 'Disconnected' }
}

/** How many workers of the job fit into the room; no more than the job has. */
function slots(job: JobFact, node: NodeFact, room: Room): number {
  const { workers } = job
  const perWorker = takenOn(node, job.perWorker)
  return Math.min(
    workers,
    share(room.gpus, perWorker.gpus),
    share(room.cpuMilli, perWorker.cpuMilli),
    share(room.memoryMiB, perWorker.memoryMiB),
    share(room.storageMiB, perWorker.storageMiB),
  )
}

function share(all: number, each: number): number {
  return each > 0 ? Math.floor(all / each + dust) : Infinity
}

function noGroups(): Groups {
  return { apart: new Map(), together: new Map() }
}

function addSlots(
  { topology }: JobFact,
  { apart, together }: Groups,
  { node, count }: { readonly node: NodeFact; readonly count: number },
): void {
  const stock = stockKey(node)
  const closeness = topology?.rule === 'Required' ? `${stock}/${domainOf(node, topology.within)}` : stock
  addSlot(apart, stock, count)
  addSlot(together, closeness, count)
}

function addSlot(bySlots: Slots, key: string, count: number): void {
  const known = bySlots.get(key)
  if (known) known.push(count)
  else bySlots.set(key, [count])
}

function fits({ workers }: JobFact, bySlots: Slots): boolean {
  return splitsOf(workers).some(({ nodes, workersPerNode }) =>
    bySlots.values().some((counts) => counts.filter((count) => count >= workersPerNode).length >= nodes),
  )
}

function mostFrequentFirst(counts: ReadonlyMap<Reason, number>): Explanation['reasons'] {
  return [...counts]
    .map(([reason, count]) => ({ reason, count }))
    .toSorted((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1))
}
