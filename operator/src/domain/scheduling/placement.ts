// Where a job goes: all its workers at one provider, on GPUs of one model and size, in equal numbers per node.
import type { Capacity } from './capacity.ts'
import type { Booking, JobFact, NodeFact, ProviderFact, Room } from './facts.ts'
import { firstReason, gpuFilters, hasLabels, priceAt, stateFilters, toleratesAll } from './filters.ts'
import { surchargeOf } from './provider-scores.ts'
import { gpuCost, type Preference, preferences } from './scores.ts'
import { dust, sharingReason, takenOn } from './sharing.ts'
import type { Pool, Spot, Stock } from './spot.ts'
import { findRoom, type Share } from './spot-tree.ts'
import { findTogether, reachesOf, type Within } from './topology.ts'

export type Placement = Pick<Booking, 'provider' | 'nodes' | 'model'>

/** A stock that a job may use, with those of its pools whose taints the job tolerates. */
export interface Candidate {
  readonly stock: Stock
  readonly pools: readonly Pool[]
  readonly provider: ProviderFact
  /** For each GPU, in GPUs: see `surchargeOf`. */
  surcharge: number
  /** What the best nodes cost at least; exactly, where they are found. Infinity: there are too few. */
  cost: number
  found: readonly Spot[] | undefined
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
    return [{ stock, provider, pools, surcharge: 0, cost: Infinity, found: undefined }]
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

/** Its bucket says how many GPUs are free; where GPUs are shared, of the last one maybe only a part. */
function hasParts({ freeGpus, fact }: Spot, worker: Room, workers: number): boolean {
  return fact?.slices === undefined || freeGpus >= takenOn(fact, worker, workers).gpus
}

/** One share of a job for each of so many nodes. */
interface Shares extends Share {
  readonly nodes: number
  /** Of all of them. */
  readonly gpus: number
  readonly order: readonly Preference[]
  /** Where all of them have to lie together. */
  readonly within: Within | undefined
}

/** Finds the best place, given what is free now. */
export type Place = (job: JobFact, candidates: readonly Candidate[]) => Placement | undefined

/** @param mostGpus the size of the largest node. */
export function placer(mostGpus: () => number): Place {
  const splits = new Map<number, readonly Split[]>()
  const orders = new Map<number, readonly Preference[]>()
  let ordersUpTo = 0

  function orderFor(gpus: number): readonly Preference[] {
    if (ordersUpTo !== mostGpus()) orders.clear()
    ordersUpTo = mostGpus()
    return remembered(orders, gpus, () => preferences(gpus, ordersUpTo))
  }

  return (job, candidates) => {
    const { gpus, cpuMilli, memoryMiB, storageMiB } = job.perWorker
    const accepts = acceptance(job)
    for (const within of reachesOf(job)) {
      for (const { nodes, workersPerNode } of remembered(splits, job.workers, () => splitsOf(job.workers))) {
        if (gpus * workersPerNode > mostGpus() + dust) continue
        const best = bestOf(candidates, {
          nodes,
          gpus: gpus * job.workers,
          order: orderFor(Math.ceil(gpus * workersPerNode - dust)),
          within: nodes > 1 ? within : undefined,
          cpuMilli: cpuMilli * workersPerNode,
          memoryMiB: memoryMiB * workersPerNode,
          storageMiB: storageMiB * workersPerNode,
          accepts: (spot) => hasParts(spot, job.perWorker, workersPerNode) && accepts(spot),
        })
        if (best) return { provider: best.provider, model: best.model, nodes: named(best.spots, workersPerNode) }
      }
    }
    return undefined
  }
}

function named(spots: readonly Spot[], workers: number): Placement['nodes'] {
  const nodes = spots.map(({ name }) => ({ name, workers }))
  return nodes.length === 1 ? nodes : nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * The least cost wins, then the stock with most free GPUs, so that load spreads, then the name. The sizes of
 * the buckets bound the cost from below; only the stock that leads is searched, until the leader's cost is exact.
 */
function bestOf(
  candidates: readonly Candidate[],
  shares: Shares,
): { readonly provider: string; readonly model: string; readonly spots: readonly Spot[] } | undefined {
  for (const candidate of candidates) {
    candidate.cost = leastCost(candidate, shares) + extraCost(candidate, shares)
    candidate.found = undefined
  }
  let best = leader(candidates)
  while (best && best.cost < Infinity && !best.found) {
    const bound = best.cost
    search(best, shares)
    if (best.cost > bound) best = leader(candidates)
  }
  return best?.found && { provider: best.stock.provider, model: best.stock.model, spots: best.found }
}

function leader(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined
  for (const candidate of candidates) if (!best || isBetter(candidate, best)) best = candidate
  return best
}

/** On equal terms the earlier one stays. */
function isBetter(a: Candidate, b: Candidate): boolean {
  return a.cost === b.cost ? a.cost < Infinity && a.stock.freeGpus > b.stock.freeGpus : a.cost < b.cost
}

function extraCost({ surcharge }: Candidate, { gpus }: Shares): number {
  return surcharge * gpus * gpuCost
}

/** As if every node had enough of all but GPUs and were accepted. */
function leastCost({ pools }: Candidate, { nodes, order }: Shares): number {
  let missing = nodes
  let cost = 0
  for (const preference of order) {
    for (const pool of pools) {
      const taken = Math.min(missing, pool.buckets[preference.bucket]?.count ?? 0)
      missing -= taken
      cost += taken * preference.cost
    }
    if (missing === 0) return cost
  }
  return Infinity
}

/** Makes the candidate's cost exact. */
function search(candidate: Candidate, shares: Shares): void {
  const { within } = shares
  if (within !== undefined) {
    const together = findTogether(candidate.pools, { ...shares, within })
    candidate.cost = (together?.cost ?? Infinity) + extraCost(candidate, shares)
    candidate.found = together?.spots
    return
  }
  const spots: Spot[] = []
  let cost = 0
  for (const preference of shares.order) {
    const before = spots.length
    takeFrom(candidate.pools, { bucket: preference.bucket, shares, spots })
    cost += (spots.length - before) * preference.cost
    if (spots.length === shares.nodes) break
  }
  const enough = spots.length === shares.nodes
  candidate.cost = enough ? cost + extraCost(candidate, shares) : Infinity
  candidate.found = enough ? spots : undefined
}

/** Adds the first nodes by name over all pools, as many as are still missing. */
function takeFrom(
  pools: readonly Pool[],
  { bucket, shares, spots }: { bucket: number; shares: Shares; spots: Spot[] },
): void {
  const [pool] = pools
  if (pools.length === 1 && pool) {
    findRoom(pool.buckets[bucket], shares, { found: spots, wanted: shares.nodes })
    return
  }
  const missing = shares.nodes - spots.length
  const found = pools.flatMap(({ buckets }) => {
    const here: Spot[] = []
    findRoom(buckets[bucket], shares, { found: here, wanted: missing })
    return here
  })
  spots.push(...found.toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, missing))
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
