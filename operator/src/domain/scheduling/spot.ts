import type { Pricing } from './demand.ts'
import type { NodeFact, Room, Taint } from './facts.ts'
import { type GpuState, type Taking, wholeState, workersIn } from './gpu-state.ts'
import { partsIn, partsOf } from './sharing.ts'

/** GPUs of one model and size at one provider. */
export interface Stock {
  readonly provider: string
  readonly model: string
  readonly gpuMemoryMiB: number
  readonly pools: Map<string, Pool>
  /** With those of which a part is free. */
  freeGpus: number
  /** Grows with whatever changes on its nodes. */
  changes: number
}

/** Nodes of a stock with the same taints, in buckets by how their free GPUs lie. */
export interface Pool {
  readonly stock: Stock
  readonly taints: readonly Taint[]
  readonly buckets: Map<number | string, Bucket>
}

export interface Bucket {
  readonly gpus: GpuState
  root: Spot | undefined
  /** What was found of it, by GPUs of a worker and workers; for these prices. */
  pricing: Pricing | undefined
  readonly takings: Map<number, Taking | undefined>
}

/** A node, what is free on it, and its place in a tree. */
export interface Spot {
  readonly provider: string
  readonly name: string
  /** Absent where only bookings speak of the node. */
  fact: NodeFact | undefined
  bookings: number
  /** Of GPUs the whole ones. */
  booked: Room
  /** Workers with a part of a GPU, by that part: how much that is the node says. Absent: none. */
  parts: Map<number, number> | undefined
  /** Of GPUs counted from 0 the workers that have one, or a part of one: how many of each size. Absent: nobody says which. */
  placed: Map<number, Map<number, number>> | undefined
  freeCpuMilli: number
  freeMemoryMiB: number
  freeStorageMiB: number
  /** Absent where the node is withheld or not known. */
  pool: Pool | undefined
  /** What of its GPUs is free. */
  gpus: GpuState
  /** Where workers may have several parts of a GPU, how many parts are free of each. */
  freeParts: readonly number[] | undefined
  /** Of its pool, the one that it lies in. */
  bucket: Bucket | undefined

  readonly rank: number
  before: Spot | undefined
  after: Spot | undefined
  /** Of this spot and all below it. */
  mostCpuMilli: number
  mostMemoryMiB: number
  mostStorageMiB: number
}

export function newSpot(provider: string, name: string, rank: number): Spot {
  return {
    provider,
    name,
    fact: undefined,
    bookings: 0,
    booked: { gpus: 0, cpuMilli: 0, memoryMiB: 0, storageMiB: 0 },
    parts: undefined,
    placed: undefined,
    freeCpuMilli: 0,
    freeMemoryMiB: 0,
    freeStorageMiB: 0,
    pool: undefined,
    gpus: wholeState(0, 0),
    freeParts: undefined,
    bucket: undefined,
    rank,
    before: undefined,
    after: undefined,
    mostCpuMilli: 0,
    mostMemoryMiB: 0,
    mostStorageMiB: 0,
  }
}

/** GPUs of a divided node for workers, counted from 0; each takes the first of those of which so much is free. */
export function gpusFor(
  { freeParts, fact }: Spot,
  worker: Pick<Room, 'gpus'>,
  { workers, from }: { readonly workers: number; readonly from: Taking['from'] },
): readonly number[] | undefined {
  const slices = fact?.slices
  if (!freeParts || slices === undefined) return undefined
  const free = [...freeParts]
  const take = (parts: number, left: number): number => {
    const gpu = free.indexOf(parts)
    free[gpu] = left
    return gpu
  }
  if (from.length === 0) return Array.from({ length: workers * worker.gpus }, () => take(slices, 0))
  return from.map((piece) => take(partsIn(piece, slices), partsIn(piece, slices) - partsOf(worker.gpus, slices)))
}

/** What of it nobody uses and workers of that size can have: parts of several GPUs are no whole one. */
export function freeFor(spot: Spot, gpus: number): Room {
  const free = freeOn(spot)
  const { parts, slices } = spot.gpus
  if (gpus === 0 || parts === 'Unknown' || slices === undefined) return free
  return { ...free, gpus: (workersIn(spot.gpus, gpus) * partsOf(gpus, slices)) / slices }
}

/** What of it nobody uses. */
export function freeOn({ gpus, freeCpuMilli, freeMemoryMiB, freeStorageMiB }: Spot): Room {
  return { gpus: gpus.free, cpuMilli: freeCpuMilli, memoryMiB: freeMemoryMiB, storageMiB: freeStorageMiB }
}
