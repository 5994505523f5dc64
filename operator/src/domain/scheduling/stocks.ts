// The GPUs that are offered, arranged so that a search touches few nodes: stock → pool → bucket → spots by name.
import type { NodeFact, Taint } from './facts.ts'
import { blocking, capacityOf } from './filters.ts'
import type { Pool, Spot, Stock } from './spot.ts'
import { withoutSpot, withSpot } from './spot-tree.ts'

export interface Stocks {
  readonly all: ReadonlyMap<string, Stock>
  /** Counts the pools that were made: a new one may take jobs that no other takes. */
  readonly poolsMade: () => number
  /** The size of the largest node ever seen. */
  readonly mostGpus: () => number
  /** Undefined for a node that is withheld. */
  readonly poolFor: (node: NodeFact) => Pool | undefined
  readonly removeWhereEmpty: (pool: Pool) => void
}

export function createStocks(): Stocks {
  const all = new Map<string, Stock>()
  let poolsMade = 0
  let mostGpus = 0

  function poolFor(node: NodeFact): Pool | undefined {
    if (node.withheld !== undefined) return undefined
    mostGpus = Math.max(mostGpus, capacityOf(node).gpus)
    const taints = blocking(node.taints)
    return all.get(stockKey(node))?.pools.get(keyOf(taints)) ?? newPool(node, taints)
  }

  function newPool({ provider, model, gpuMemoryMiB }: NodeFact, taints: readonly Taint[]): Pool {
    const empty: Stock = { provider, model, gpuMemoryMiB, pools: new Map(), freeGpus: 0 }
    const stock = all.get(stockKey(empty)) ?? empty
    const pool: Pool = { stock, taints, buckets: [] }
    all.set(stockKey(stock), stock)
    stock.pools.set(keyOf(taints), pool)
    poolsMade += 1
    return pool
  }

  function removeWhereEmpty({ stock, taints, buckets }: Pool): void {
    if (buckets.some((root) => root !== undefined)) return
    stock.pools.delete(keyOf(taints))
    if (stock.pools.size === 0) all.delete(stockKey(stock))
  }

  return { all, poolsMade: () => poolsMade, mostGpus: () => mostGpus, poolFor, removeWhereEmpty }
}

export function stockKey({
  provider,
  model,
  gpuMemoryMiB,
}: Pick<Stock, 'provider' | 'model' | 'gpuMemoryMiB'>): string {
  return `${provider}/${model}/${gpuMemoryMiB}`
}

function keyOf(taints: readonly Taint[]): string {
  return taints
    .map(({ key, value = '', effect }) => `${key}=${value}:${effect}`)
    .toSorted()
    .join()
}

export function putIn({ stock, buckets }: Pool, spot: Spot): void {
  stock.freeGpus += Math.ceil(spot.freeGpus)
  buckets[spot.bucket] = withSpot(buckets[spot.bucket], spot)
}

export function takeOut({ stock, buckets }: Pool, spot: Spot): void {
  stock.freeGpus -= Math.ceil(spot.freeGpus)
  buckets[spot.bucket] = withoutSpot(buckets[spot.bucket], spot)
}
