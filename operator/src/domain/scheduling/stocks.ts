// The GPUs that are offered, arranged so that a search touches few nodes: stock → pool → bucket → spots by CPU.
import type { NodeFact, Taint } from './facts.ts'
import { blocking } from './filters.ts'
import { stateKey } from './gpu-state.ts'
import type { Pool, Spot, Stock } from './spot.ts'
import { withoutSpot, withSpot } from './spot-tree.ts'

export interface Stocks {
  readonly all: ReadonlyMap<string, Stock>
  /** Counts the pools that were made: a new one may take jobs that no other takes. */
  readonly poolsMade: () => number
  /** The size of the largest node that is offered. */
  readonly mostGpus: () => number
  /** A node with so many GPUs is offered (1), or no more (-1). */
  readonly countSize: (gpus: number, sign: 1 | -1) => void
  /** Undefined for a node that is withheld. */
  readonly poolFor: (node: NodeFact) => Pool | undefined
  readonly removeWhereEmpty: (pool: Pool) => void
}

export function createStocks(): Stocks {
  const all = new Map<string, Stock>()
  let poolsMade = 0
  /** Of nodes, by their GPUs. */
  const sizes: number[] = []

  function countSize(gpus: number, sign: 1 | -1): void {
    sizes[gpus] = (sizes[gpus] ?? 0) + sign
    while (sizes.length > 0 && !sizes.at(-1)) sizes.pop()
  }

  function poolFor(node: NodeFact): Pool | undefined {
    if (node.withheld !== undefined) return undefined
    const taints = blocking(node.taints)
    return all.get(stockKey(node))?.pools.get(keyOf(taints)) ?? newPool(node, taints)
  }

  function newPool({ provider, model, gpuMemoryMiB }: NodeFact, taints: readonly Taint[]): Pool {
    const empty: Stock = { provider, model, gpuMemoryMiB, pools: new Map(), freeGpus: 0, changes: 0 }
    const stock = all.get(stockKey(empty)) ?? empty
    const pool: Pool = { stock, taints, buckets: new Map() }
    all.set(stockKey(stock), stock)
    stock.pools.set(keyOf(taints), pool)
    poolsMade += 1
    return pool
  }

  function removeWhereEmpty({ stock, taints, buckets }: Pool): void {
    if (buckets.size > 0) return
    stock.pools.delete(keyOf(taints))
    if (stock.pools.size === 0) all.delete(stockKey(stock))
  }

  const mostGpus = () => Math.max(0, sizes.length - 1)
  return { all, poolsMade: () => poolsMade, mostGpus, countSize, poolFor, removeWhereEmpty }
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
  stock.freeGpus += Math.ceil(spot.gpus.free)
  stock.changes += 1
  const key = stateKey(spot.gpus)
  const bucket = buckets.get(key) ?? { gpus: spot.gpus, root: undefined, pricing: undefined, takings: new Map() }
  if (!bucket.root) buckets.set(key, bucket)
  bucket.root = withSpot(bucket.root, spot)
  spot.bucket = bucket
}

export function takeOut({ stock, buckets }: Pool, spot: Spot): void {
  stock.freeGpus -= Math.ceil(spot.gpus.free)
  stock.changes += 1
  const { bucket } = spot
  if (!bucket) return
  bucket.root = withoutSpot(bucket.root, spot)
  if (!bucket.root) buckets.delete(stateKey(spot.gpus))
  spot.bucket = undefined
}
