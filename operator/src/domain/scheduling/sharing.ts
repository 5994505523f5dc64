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

/** How many parts of a GPU it takes: 0.3 of four is two of them. What a sum of fractions is off by does not count. */
export function partsOf(fraction: number, slices: number): number {
  return Math.ceil(fraction * slices - 1e-9)
}
