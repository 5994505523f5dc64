// Where a job goes: all its workers at one provider, on GPUs of one model and size, in equal numbers per node.
import type { Capacity } from './capacity.ts'
import type { Pricing } from './demand.ts'
import type { Booking, JobFact, NodeFact, NodeShare, ProviderFact } from './facts.ts'
import { firstReason, gpuFilters, hasLabels, priceAt, stateFilters, toleratesAll } from './filters.ts'
import { surchargeOf } from './provider-scores.ts'
import { onGrain } from './scores.ts'
import { type Found, type Shares, search } from './search.ts'
import { dust, sharingReason } from './sharing.ts'
import { gpusFor, type Pool, type Spot, type Stock } from './spot.ts'
import { reachesOf, type Within } from './topology.ts'

export type Placement = Pick<Booking, 'provider' | 'nodes' | 'model'>

/** A stock that a job may use, with those of its pools whose taints the job tolerates. */
export interface Candidate {
  readonly stock: Stock
  readonly pools: readonly Pool[]
  readonly provider: ProviderFact
  /** For each GPU, in GPUs: see `surchargeOf`. */
  surcharge: number
  /** What was found in it, by how the job is split; for as long as nothing changes there, nor the prices. */
  readonly found: (Found | 'None' | undefined)[]
  changes: number
  pricing: Pricing | undefined
}

/** GPUs of all its workers. */
export function gpusAsked({ workers, perWorker }: Pick<JobFact, 'workers' | 'perWorker'>): number {
  return workers * perWorker.gpus
}

/** An equal split of a gang. */
export interface Split {
  readonly nodes: number
  readonly workersPerNode: number
}

/** Fewest nodes first. A single worker has one. */
export function splitsOf(workers: number): readonly Split[] {
  const splits: Split[] = []
  for (let nodes = 1; nodes <= workers; nodes += 1) {
    if (workers % nodes === 0) splits.push({ nodes, workersPerNode: workers / nodes })
  }
  return splits
}

/** The candidates as they were once, and the providers that have changed since. */
interface Before {
  readonly candidates: readonly Candidate[]
  readonly changed: ReadonlySet<string>
}

/** The stocks that a job may use as things stand, however full they are; by name. */
export function candidatesFor(job: JobFact, capacity: Capacity, before?: Before): readonly Candidate[] {
  const kept = before?.candidates.filter(({ stock }) => !before.changed.has(stock.provider)) ?? []
  const found = capacity.stocks.values().flatMap((stock): Candidate[] => {
    if (before?.changed.has(stock.provider) === false) return []
    const provider = capacity.providers.get(stock.provider)
    const place = provider && { provider, model: stock.model, gpuMemoryMiB: stock.gpuMemoryMiB }
    if (!place || firstReason(stateFilters, job, place) || firstReason(gpuFilters, job, place)) return []
    const pools = toleratedPools(job, { stock, provider })
    if (pools.length === 0) return []
    return [{ stock, provider, pools, surcharge: 0, found: [], changes: -1, pricing: undefined }]
  })
  const all = [...kept, ...found].toSorted((a, b) => byName(a.stock, b.stock))
  const cheapest = Math.min(...all.map(({ provider, stock }) => priceAt(provider, stock.model)))
  for (const one of all) {
    one.surcharge = surchargeOf(job, { provider: one.provider, model: one.stock.model, cheapest }, capacity.weights)
  }
  return all
}

function toleratedPools(job: JobFact, { stock, provider }: { stock: Stock; provider: ProviderFact }): readonly Pool[] {
  return [...stock.pools.values()].filter(({ taints }) => toleratesAll(job, { taints, provider }))
}

/** What is asked of a single node beyond its room. */
export function acceptance({ nodeSelector, avoidNodes = [], perWorker }: JobFact): (spot: Spot) => boolean {
  return ({ provider, name, fact = {} as Partial<NodeFact> }) =>
    hasLabels(fact.labels ?? {}, nodeSelector) &&
    (avoidNodes.length === 0 || !avoidNodes.includes(`${provider}/${name}`)) &&
    sharingReason(perWorker, fact) === undefined
}

/** Finds the best place, given what is free now. */
export type Place = (job: JobFact, candidates: readonly Candidate[]) => Placement | undefined

/** @param world the size of its largest node, and what is free is worth. */
export function placer({ mostGpus, pricing }: Pick<Capacity, 'mostGpus' | 'pricing'>): Place {
  const splits = new Map<number, readonly Split[]>()
  return (job, candidates) => {
    const prices = pricing()
    for (const candidate of candidates) refresh(candidate, prices)
    let way = -1
    for (const within of reachesOf(job)) {
      for (const split of remembered(splits, job.workers, () => splitsOf(job.workers))) {
        way += 1
        if (job.perWorker.gpus * split.workersPerNode > mostGpus() + dust) continue
        const find = ({ pools }: Candidate) => search(pools, sharesOf(job, split, within), prices)
        const best = bestOf(candidates, { way, gpus: gpusAsked(job), find })
        if (best) return placementOf(job, best, split.workersPerNode)
      }
    }
    return undefined
  }
}

/** Forgets what may not be so any more. */
function refresh(candidate: Candidate, prices: Pricing): void {
  if (candidate.changes === candidate.stock.changes && candidate.pricing === prices) return
  candidate.found.length = 0
  candidate.changes = candidate.stock.changes
  candidate.pricing = prices
}

function sharesOf(job: JobFact, { nodes, workersPerNode }: Split, within: Within | undefined): Shares {
  const { gpus, cpuMilli, memoryMiB, storageMiB } = job.perWorker
  return {
    nodes,
    workersPerNode,
    gpus,
    within: nodes > 1 ? within : undefined,
    cpuMilli: cpuMilli * workersPerNode,
    memoryMiB: memoryMiB * workersPerNode,
    storageMiB: storageMiB * workersPerNode,
    accepts: acceptance(job),
  }
}

function placementOf({ perWorker }: JobFact, { candidate, found }: Best, workers: number): Placement {
  const nodes = found.seats.map(({ spot, taking }): NodeShare => {
    const gpus = gpusFor(spot, perWorker, { workers, from: taking.from })
    return { name: spot.name, workers, ...(gpus && { gpus }) }
  })
  const { provider, model } = candidate.stock
  return { provider, model, nodes: nodes.length === 1 ? nodes : nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }
}

interface Best {
  readonly candidate: Candidate
  readonly found: Found
  readonly cost: number
}

interface Looking {
  /** Which of the ways to split it. */
  readonly way: number
  /** Of the job. */
  readonly gpus: number
  readonly find: (candidate: Candidate) => Found | undefined
}

/** The least cost wins, then what fills begun GPUs and nodes, then the stock with most free GPUs, so that load spreads, then the name. */
function bestOf(candidates: readonly Candidate[], { way, gpus, find }: Looking): Best | undefined {
  let best: Best | undefined
  for (const candidate of candidates) {
    const found = (candidate.found[way] ??= find(candidate) ?? 'None')
    if (found === 'None') continue
    const cost = found.cost + onGrain(candidate.surcharge * gpus)
    if (!best || isBetter({ candidate, found, cost }, best)) best = { candidate, found, cost }
  }
  return best
}

/** On equal terms the earlier one stays. */
function isBetter(a: Best, b: Best): boolean {
  if (a.cost !== b.cost) return a.cost < b.cost
  if (a.found.order !== b.found.order) return a.found.order < b.found.order
  return a.candidate.stock.freeGpus > b.candidate.stock.freeGpus
}

function byName(a: Stock, b: Stock): number {
  if (a.provider !== b.provider) return a.provider < b.provider ? -1 : 1
  if (a.model !== b.model) return a.model < b.model ? -1 : 1
  return a.gpuMemoryMiB - b.gpuMemoryMiB
}

function remembered<Key, Value>(known: Map<Key, Value>, key: Key, find: () => Value): Value {
  const value = known.get(key) ?? find()
  known.set(key, value)
  return value
}
