import type { NodeFact, Room, Taint } from './facts.ts'

/** GPUs of one model and size at one provider. */
export interface Stock {
  readonly provider: string
  readonly model: string
  readonly gpuMemoryMiB: number
  readonly pools: Map<string, Pool>
  /** As its buckets count them: with those of which a part is free. */
  freeGpus: number
}

/** Nodes of a stock with the same taints, in buckets of equal standing. */
export interface Pool {
  readonly stock: Stock
  readonly taints: readonly Taint[]
  readonly buckets: (Spot | undefined)[]
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
  /** In whole parts, where its GPUs are shared. */
  freeGpus: number
  freeCpuMilli: number
  freeMemoryMiB: number
  freeStorageMiB: number
  /** Absent where the node is withheld or not known. */
  pool: Pool | undefined
  /** The bucket of its pool that it lies in. */
  bucket: number

  readonly rank: number
  before: Spot | undefined
  after: Spot | undefined
  /** Of this spot and all below it. */
  count: number
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
    freeGpus: 0,
    freeCpuMilli: 0,
    freeMemoryMiB: 0,
    freeStorageMiB: 0,
    pool: undefined,
    bucket: 0,
    rank,
    before: undefined,
    after: undefined,
    count: 0,
    mostCpuMilli: 0,
    mostMemoryMiB: 0,
    mostStorageMiB: 0,
  }
}

/** What of it nobody uses. */
export function freeOn({ freeGpus, freeCpuMilli, freeMemoryMiB, freeStorageMiB }: Spot): Room {
  return { gpus: freeGpus, cpuMilli: freeCpuMilli, memoryMiB: freeMemoryMiB, storageMiB: freeStorageMiB }
}
