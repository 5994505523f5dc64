import type { NodeFact, Room } from './facts.ts'

/** A part of a GPU is had only where GPUs are shared in parts that are large enough, and a whole one only where it is whole. */
export function sharingReason(
  { gpus }: Pick<Room, 'gpus'>,
  { slices, slicesPerWorker }: Pick<NodeFact, 'slices' | 'slicesPerWorker'>,
): 'NoFractions' | 'FractionTooLarge' | 'SharedGpus' | undefined {
  if (slices === undefined) return isFraction(gpus) ? 'NoFractions' : undefined
  const most = slicesPerWorker ?? Infinity
  if (isFraction(gpus)) return partsOf(gpus, slices) > most ? 'FractionTooLarge' : undefined
  return gpus > 0 && slices > most ? 'SharedGpus' : undefined
}

export function isFraction(gpus: number): boolean {
  return gpus > 0 && gpus < 1
}

/** What a sum of fractions may be off by. */
export const dust = 1e-9

/** How many parts of a GPU it takes: 0.3 of four is two of them. */
export function partsOf(gpus: number, slices: number): number {
  return Math.ceil(gpus * slices - dust)
}

/** How many parts are left in so many GPUs. */
export function partsIn(gpus: number, slices: number): number {
  return Math.floor(gpus * slices + dust)
}

/** What so many workers take of a node: who wants a bit of a part gets all of it, and of a GPU that is not shared all. */
export function takenOn({ slices = 1 }: Pick<NodeFact, 'slices'>, worker: Room, workers = 1): Room {
  return {
    gpus: (workers * partsOf(worker.gpus, slices)) / slices,
    cpuMilli: workers * worker.cpuMilli,
    memoryMiB: workers * worker.memoryMiB,
    storageMiB: workers * worker.storageMiB,
  }
}
